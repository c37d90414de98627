// Runs a Node program where io_uring is forbidden, as in many containers, by Node's own option for it and a fault of strace's:
//
//   node without-io-uring.mjs <arguments for node...>
//
// strace makes io_uring_setup fail with EPERM, as Docker's default seccomp profile does.
import { spawnSync } from 'node:child_process';

const inject = ['-f', '-qq', '-e', 'trace=io_uring_setup', '-e', 'inject=io_uring_setup:error=EPERM', '-o', '/dev/null'];
const { status, signal } = spawnSync('strace', [...inject, process.execPath, ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? (signal === null ? 1 : 128));
