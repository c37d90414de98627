import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The built program. */
export const PROGRAM: string = join(import.meta.dirname, '../../dist/main.js');

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Arguments for node before the program's name. */
  readonly before?: readonly string[];
  readonly cwd?: string;
  /** Runs it as this user; takes root. */
  readonly uid?: number;
  /** Called when the program has been started. */
  readonly onStart?: (child: { kill(signal: NodeJS.Signals): void }) => void;
  /** Called with each line that the program says. */
  readonly onLine?: (line: string, child: { kill(signal: NodeJS.Signals): void }) => void;
  /** Called with what the program has said on standard error so far, whenever there is more. */
  readonly onError?: (text: string, child: { kill(signal: NodeJS.Signals): void }) => void;
  /** Called when the program has said its first line. */
  readonly onFirstLine?: (line: string, child: { kill(signal: NodeJS.Signals): void }) => void;
}

/** Runs the program to its end, in pipes. */
export function bench(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { before = [], cwd, uid, onStart, onLine, onError, onFirstLine } = options;
  const child = spawn(process.execPath, [...before, PROGRAM, ...args], {
    cwd,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A program that hangs must not outlive the test.
    timeout: 50_000,
    killSignal: 'SIGKILL',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    onError?.(stderr, { kill: (signal) => child.kill(signal) });
  });
  if (onLine !== undefined) {
    createInterface({ input: child.stdout }).on('line', (line) => onLine(line, { kill: (signal) => child.kill(signal) }));
  }
  onStart?.({ kill: (signal) => child.kill(signal) });
  if (onFirstLine !== undefined) {
    createInterface({ input: child.stdout }).once('line', (line) => onFirstLine(line, { kill: (signal) => child.kill(signal) }));
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** What vitest tells its workers is not meant for the program. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(vitest|node_options$)/i.test(name)));
}
