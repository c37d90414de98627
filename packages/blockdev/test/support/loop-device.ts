import { spawnSync } from 'node:child_process';

/** Runs a command that must succeed, and returns what it printed. */
export function must(command: string, ...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}, ${stderr.trim()}`);
  return stdout.trim();
}

/** Makes a loop device of a file. Give it back with {@link detachLoop}. */
export function attachLoop(path: string, ...options: string[]): string {
  return must('losetup', '--find', '--show', ...options, path);
}

export function detachLoop(device: string): void {
  must('losetup', '--detach', device);
}

/** Why there are no loop devices here; null if there are. */
export function loopRefusal(path: string): string | null {
  try {
    detachLoop(attachLoop(path));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
