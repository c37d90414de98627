import { readFileSync, statfsSync } from 'node:fs';

/** The type of the file system that a folder is on, with what it is mounted from: `ext4 (/dev/vda)`. */
export function fileSystemOf(folder: string): string {
  try {
    const mount = mountOf(folder, readFileSync('/proc/self/mountinfo', 'utf8'));
    if (mount !== null) return mount;
  } catch {
    // No Linux, or no /proc: the number has to do.
  }
  return `type 0x${statfsSync(folder).type.toString(16)}`;
}

/** Finds the mount that a path is on in the text of /proc/self/mountinfo, whose format is in proc_pid_mountinfo(5). */
export function mountOf(path: string, mountinfo: string): string | null {
  let best = '';
  let found: string | null = null;
  for (const line of mountinfo.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-');
    const point = fields[4]?.replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
    if (separator < 0 || point === undefined) continue;
    const prefix = point === '/' ? '/' : `${point}/`;
    // A later mount over the same point hides the earlier one.
    if (!`${path}/`.startsWith(prefix) || prefix.length < best.length) continue;
    best = prefix;
    found = `${fields[separator + 1]} (${fields[separator + 2]})`;
  }
  return found;
}
