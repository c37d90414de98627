// Runs a Node program where io_uring is forbidden, as in many containers:
//
//   node without-io-uring.mjs [--errno=EPERM|ENOSYS] <arguments for node...>
//
// A seccomp filter makes io_uring_setup, io_uring_enter and io_uring_register fail with the errno (EPERM by default, as Docker's
// default profile does; ENOSYS looks like an old kernel). The filter outlives exec, so this process becomes the
// program: it keeps the process id, the standard streams and the way to its exit status. It cannot be a parent that goes on,
// because libuv may use io_uring itself, and ends a process that may no longer enter a ring that it has.

import { constants } from 'node:os';
import koffi from 'koffi';
import { CALLS, forbidCalls } from './seccomp.mjs';

const F_SETFD = 2;

const program = process.argv.slice(2);
const errno = constants.errno[program[0]?.startsWith('--errno=') ? program.shift().slice('--errno='.length) : 'EPERM'];
if (errno === undefined || program.length === 0)
  fail('usage: node without-io-uring.mjs [--errno=EPERM|ENOSYS] <arguments for node...>');

try {
  const library = koffi.load(null);
  const execve = library.func('int execve(const char *path, const char **arguments, const char **environment)');
  const fcntl = library.func('int fcntl(int fd, int command, int flags)');
  // Node has marked the standard streams to be closed at exec.
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
  const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  forbidCalls(CALLS.setup, CALLS.register, errno);
  execve(process.execPath, [process.execPath, ...program, null], [...environment, null]);
  fail(`execve: errno ${koffi.errno()}`);
} catch (error) {
  fail(error.message);
}

function fail(message) {
  process.stderr.write(`without-io-uring: ${message}\n`);
  process.exit(2);
}
