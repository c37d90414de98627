import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ChildResult {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function pathOf(script: string): string {
  return fileURLToPath(new URL(script, import.meta.url));
}

/** Runs a program, by default a script beside this file in Node, and tells how it ended. */
export function run(command: string, args: readonly string[]): Promise<ChildResult> {
  return new Promise((resolve) => {
    execFile(command, [...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      resolve({ status: typeof code === 'number' ? code : null, signal: error?.signal ?? null, stdout, stderr });
    });
  });
}

export function runScript(script: string, ...args: string[]): Promise<ChildResult> {
  return run(process.execPath, [pathOf(script), ...args]);
}
