import { readdirSync, readlinkSync } from 'node:fs';

/** What this process has open of the kinds that a ring is made of: rings, eventfds, pipes. */
export function openKinds(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
      } catch {
        // The listing itself.
        return '';
      }
    })
    .filter((entry) => /io_uring|eventfd|pipe:/.test(entry));
}
