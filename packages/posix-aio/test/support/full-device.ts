import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A block device whose writes fail when they are written back, since what it is on is full; until {@link repair}. */
export interface FullDevice {
  readonly path: string;
  readonly sizeBytes: number;
  repair(): void;
  remove(): void;
}

const HELD_BYTES: number = 2 ** 21;
const SIZE_BYTES: number = 2 ** 24;

/** A loop device on a file that is larger than its tmpfs. @throws Error that says why there is none here */
export function makeFullDevice(folder: string): FullDevice {
  const mounted = join(folder, 'small');
  const file = join(mounted, 'image');
  mkdirSync(mounted, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${HELD_BYTES}`, 'tmpfs', mounted);
  const unmount = (): void => {
    run('umount', '-l', mounted);
    rmSync(mounted, { recursive: true });
  };
  try {
    writeFileSync(file, '');
    truncateSync(file, SIZE_BYTES);
    const path = run('losetup', '--find', '--show', file);
    return {
      path,
      sizeBytes: SIZE_BYTES,
      repair: () => run('mount', '-o', `remount,size=${SIZE_BYTES * 2}`, mounted),
      remove: () => {
        run('losetup', '--detach', path);
        unmount();
      },
    };
  } catch (error) {
    unmount();
    throw error;
  }
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`${command}: ${stderr.trim()}`);
  return stdout.trim();
}
