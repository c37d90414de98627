import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STATX_WRITE_ATOMIC, statxSync } from '@biodone/uring';

/** The smallest that mkfs.xfs makes is 300 MiB; of which nearly all stays a hole. */
const IMAGE_BYTES = 320 * 2 ** 20;
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' };

/** A folder of files that can be written atomically. */
export interface AtomicFiles {
  readonly path: string;
  /** Nothing may have files open there any more. */
  remove(): void;
}

/**
 * Makes an XFS with reflinks, which writes atomically without a disk's help since Linux 6.16, in a file, and mounts it by a loop device. It is unmounted at
 * once, and there for as long as this process has it open: so it goes with the process, however that ends.
 *
 * @returns or why there is none here
 */
export function makeAtomicFiles(folder: string): AtomicFiles | string {
  if (process.platform !== 'linux') return `there is no RWF_ATOMIC on ${process.platform}`;
  if (process.getuid?.() !== 0) return 'only root can mount a file system that has them';
  const [image, mounted] = [join(folder, 'image'), join(folder, 'mounted')];
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  mkdirSync(mounted);
  const refused = refusalOf('mkfs.xfs', '-q', '-m', 'reflink=1', image) ?? refusalOf('mount', '-o', 'loop', image, mounted);
  if (refused !== null) return refused;
  const fd = openSync(mounted, 'r');
  const busy = refusalOf('umount', '--lazy', mounted);
  const path = `/proc/self/fd/${fd}`;
  const files = {
    path,
    remove: () => {
      closeSync(fd);
      rmSync(image);
    },
  };
  if (busy === null && writesAtomically(path)) return files;
  files.remove();
  return busy ?? 'this kernel has no atomic writes on an XFS with reflinks: Linux 6.16 has';
}

function writesAtomically(path: string): boolean {
  const probe = join(path, 'probe');
  writeFileSync(probe, '');
  const fd = openSync(probe, 'r');
  const stat = statxSync(fd, STATX_WRITE_ATOMIC);
  closeSync(fd);
  rmSync(probe);
  return stat !== null && (stat.mask & STATX_WRITE_ATOMIC) !== 0 && stat.atomicWriteMaxBytes >= 65536;
}

/** Why a command does not succeed; null if it does. */
function refusalOf(command: string, ...args: string[]): string | null {
  const { error, status, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
  if (error !== undefined) return error.message;
  return status === 0 ? null : `${command}: ${stderr.trim()}`;
}
