import koffi from 'koffi';

const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO = 0x00050000;
// Instructions of classic BPF: load a word of struct seccomp_data, jump if equal, jump if greater or equal, return.
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const OFFSET_OF_NUMBER = 0;
const OFFSET_OF_ARCHITECTURE = 4;
const OFFSET_OF_ARGUMENTS = 16;
const AUDIT_ARCHITECTURES = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** The system calls of io_uring, by their numbers, which are the same everywhere. */
export const CALLS = { setup: 425, enter: 426, register: 427 };

/** Why no filter can be installed here, or null. */
export const refusal =
  process.platform === 'linux' && process.arch in AUDIT_ARCHITECTURES
    ? null
    : `no seccomp filter for ${process.platform} ${process.arch}`;

/** Makes the system calls `first` to `last` fail with `errno`, in this thread and in what it executes. */
export function forbidCalls(first, last, errno) {
  install([
    [LOAD, 0, 0, OFFSET_OF_NUMBER],
    [JUMP_GREATER_OR_EQUAL, 0, 2, first],
    [JUMP_GREATER_OR_EQUAL, 1, 0, last + 1],
    [RETURN, 0, 0, SECCOMP_RET_ERRNO | errno],
    [RETURN, 0, 0, SECCOMP_RET_ALLOW],
  ]);
}

/** Makes the system call `number` fail with `errno` when its first two arguments are `first` and `second`. */
export function forbidArguments(number, first, second, errno) {
  install([
    [LOAD, 0, 0, OFFSET_OF_NUMBER],
    [JUMP_EQUAL, 0, 5, number],
    [LOAD, 0, 0, OFFSET_OF_ARGUMENTS],
    [JUMP_EQUAL, 0, 3, first],
    [LOAD, 0, 0, OFFSET_OF_ARGUMENTS + 8],
    [JUMP_EQUAL, 0, 1, second],
    [RETURN, 0, 0, SECCOMP_RET_ERRNO | errno],
    [RETURN, 0, 0, SECCOMP_RET_ALLOW],
  ]);
}

/** Jumps count the instructions that they skip. */
function install(rules) {
  if (refusal !== null) throw new Error(refusal);
  // The call numbers of another architecture mean other calls, so they are let through.
  const instructions = [
    [LOAD, 0, 0, OFFSET_OF_ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURES[process.arch]],
    [RETURN, 0, 0, SECCOMP_RET_ALLOW],
    ...rules,
  ];
  const filter = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, whenTrue, whenFalse, operand], index) => {
    filter.writeUInt16LE(code, index * 8);
    filter.writeUInt8(whenTrue, index * 8 + 2);
    filter.writeUInt8(whenFalse, index * 8 + 3);
    filter.writeUInt32LE(operand, index * 8 + 4);
  });
  // struct sock_fprog: the number of instructions, and where they are.
  const program = Buffer.alloc(16);
  program.writeUInt16LE(instructions.length, 0);
  program.writeBigUInt64LE(BigInt(koffi.address(filter)), 8);

  const words = ['int', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t'];
  const prctl = koffi.load(null).func('prctl', 'int', words);
  // An unprivileged process may only install a filter once it can gain no privileges by exec.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error(`PR_SET_NO_NEW_PRIVS: errno ${koffi.errno()}`);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, koffi.address(program), 0, 0) !== 0)
    throw new Error(`PR_SET_SECCOMP: errno ${koffi.errno()}`);
}
