import { readdirSync, readlinkSync } from 'node:fs';

/** What this process has open, with the numbers, without the listing itself. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
      } catch {
        return '';
      }
    })
    .filter((entry) => entry !== '' && !entry.includes('/proc/'));
}

/** What of it a ring is made of: rings, eventfds, pipes. */
export function openKinds(): string[] {
  return openFiles().filter((entry) => /io_uring|eventfd|pipe:/.test(entry));
}
