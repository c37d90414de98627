// Prints what probe() says, and what comes of opening a ring:
//
//   node print-probe.mjs [setup|enter|register EPERM|ENOSYS]
//
// With arguments, one system call of io_uring is forbidden first. From then on there must be no turn of the event loop, and none at
// the exit: in Node 22 and newer libuv has a ring of its own, and aborts a process that may no longer enter it.

import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { probe, Ring } from '@biodone/uring';
import koffi from 'koffi';
import { CALLS, forbidCalls } from './seccomp.mjs';

const [call, errno] = process.argv.slice(2);
if (call !== undefined) forbidCalls(CALLS[call], CALLS[call], constants.errno[errno]);

let ring = 'opened';
try {
  new Ring();
} catch (error) {
  ring = `${error.code} ${error.syscall}`;
}
writeSync(1, JSON.stringify({ ...probe(), ring }));
koffi.load(null).func('void _exit(int status)')(0);
