import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '@biodone/testkit';

/** How large the file systems are. */
export const IMAGE_BYTES: number = 8 * 2 ** 20;

/** Debian has them where only root looks. */
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' };

/** Runs a command that must succeed, and returns what it printed. */
function must(command: string, ...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}, ${stdout} ${stderr}`);
  return stdout.trim();
}

/** Why there can be no such file systems here; null if there can. */
export function ext4Refusal(): string | null {
  const missing = ['mkfs.ext4', 'e2fsck'].filter((command) => spawnSync(command, ['-V'], { env }).error !== undefined);
  return missing.length === 0 ? null : `there is no ${missing.join(' and no ')}`;
}

/** Makes a file system with files of many sizes in it, in a file. */
export function makeExt4(path: string, seed: number): void {
  const random = new SeededRandom(seed);
  const source = `${path}-source`;
  for (let folder = 0; folder < 6; folder++) {
    mkdirSync(join(source, `folder-${folder}`), { recursive: true });
    for (let file = 0; file < 12; file++) {
      const bytes = new Uint8Array(random.pick([0, 1, 100, 4096, 10_000, 150_000]));
      random.fill(bytes);
      writeFileSync(join(source, `folder-${folder}`, `file-${file}`), bytes);
    }
  }
  writeFileSync(path, '');
  truncateSync(path, IMAGE_BYTES);
  must('mkfs.ext4', '-q', '-F', '-d', source, path);
  rmSync(source, { recursive: true });
}

/** @throws Error with what e2fsck has found, in a file or on a device */
export function checkExt4(path: string): void {
  must('e2fsck', '-fn', path);
}

/** Makes a loop device of a file. Give it back with {@link detachLoop}. */
export function attachLoop(path: string): string {
  return must('losetup', '--find', '--show', path);
}

export function detachLoop(device: string): void {
  must('losetup', '--detach', device);
}

/** Why there are no loop devices here; null if there are. */
export function loopRefusal(path: string): string | null {
  if (process.getuid?.() !== 0) return 'only root can make them';
  try {
    detachLoop(attachLoop(path));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
