// What a process has that another one with requests in progress has started: its requests, and whether a file of this name is open.
import { readdirSync, readlinkSync } from 'node:fs';
import { aio_waitcomplete } from '@biodone/posix-aio';

const links = readdirSync('/proc/self/fd').flatMap((fd) => {
  try {
    return [readlinkSync(`/proc/self/fd/${fd}`)];
  } catch {
    return [];
  }
});
console.log(aio_waitcomplete(0), links.includes(process.argv[2]));
