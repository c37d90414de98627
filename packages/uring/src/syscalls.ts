import { createRequire } from 'node:module';
import { SystemError } from './errors.js';

/** The C library's functions that this package calls. Addresses are numbers: user space ends at 2^47 or 2^52, below 2^53. */
export interface Libc {
  /** `syscall(2)` with io_uring_setup's and io_uring_register's arguments, and with io_uring_enter's. */
  setup(number: number, entries: number, params: Uint32Array): number;
  enter(
    number: number,
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    argument: number,
    argumentBytes: number,
  ): number;
  register(number: number, fd: number, opcode: number, argument: Int32Array, count: number): number;
  mmap(address: null, lengthBytes: number, protection: number, flags: number, fd: number, offset: number): unknown;
  munmap(address: unknown, lengthBytes: number): number;
  close(fd: number): number;
  eventfd(initial: number, flags: number): number;
  eventfd_write(fd: number, value: number): number;
  pipe2(descriptors: Int32Array, flags: number): number;
  dup3(from: number, to: number, flags: number): number;
  pread(fd: number, address: number, lengthBytes: number, offset: number): number;
  pwrite(fd: number, address: number, lengthBytes: number, offset: number): number;
  /** From `end`, SEEK_END, it tells how large a block device is, which fstat does not. */
  lseek(fd: number, offset: number, end: number): number;
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  memmove(target: number, source: number, lengthBytes: number): void;
  /** The calling thread's errno, after a call that returned -1. */
  errno(): number;
  /** The address of a view's first byte. */
  address(view: NodeJS.TypedArray): number;
  /** Memory that was mapped, as an ArrayBuffer. Touching it after munmap crashes the process. */
  view(address: unknown, lengthBytes: number): ArrayBuffer;
}

interface Koffi {
  load(path: null): {
    func(prototype: string): (...values: never[]) => unknown;
    func(name: string, result: string, parameters: string[]): (...values: never[]) => unknown;
  };
  errno(): number;
  address(view: NodeJS.TypedArray): bigint;
  view(address: unknown, lengthBytes: number): ArrayBuffer;
}

let loaded: Libc | undefined;

/**
 * The C library of this process. It is loaded on first use, so that importing the package works on every platform.
 *
 * @throws SystemError ENOSYS where koffi has no build for this platform
 */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  const koffi = loadKoffi();
  const library = koffi.load(null);
  const declare = <Name extends keyof Libc>(prototype: string): Libc[Name] => library.func(prototype) as unknown as Libc[Name];
  const syscall = <Name extends keyof Libc>(parameters: string[]): Libc[Name] =>
    library.func('syscall', 'int', parameters) as unknown as Libc[Name];
  return {
    setup: syscall<'setup'>(['long', 'uint', 'void *']),
    enter: syscall<'enter'>(['long', 'int', 'uint', 'uint', 'uint', 'uintptr_t', 'size_t']),
    register: syscall<'register'>(['long', 'int', 'uint', 'void *', 'uint']),
    mmap: declare<'mmap'>('void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset)'),
    munmap: declare<'munmap'>('int munmap(void *address, size_t length)'),
    close: declare<'close'>('int close(int fd)'),
    eventfd: declare<'eventfd'>('int eventfd(uint initial, int flags)'),
    eventfd_write: declare<'eventfd_write'>('int eventfd_write(int fd, uint64_t value)'),
    pipe2: declare<'pipe2'>('int pipe2(void *descriptors, int flags)'),
    dup3: declare<'dup3'>('int dup3(int from, int to, int flags)'),
    pread: declare<'pread'>('intptr_t pread(int fd, uintptr_t address, size_t length, int64_t offset)'),
    pwrite: declare<'pwrite'>('intptr_t pwrite(int fd, uintptr_t address, size_t length, int64_t offset)'),
    lseek: declare<'lseek'>('int64_t lseek(int fd, int64_t offset, int whence)'),
    fsync: declare<'fsync'>('int fsync(int fd)'),
    fdatasync: declare<'fdatasync'>('int fdatasync(int fd)'),
    memmove: declare<'memmove'>('void memmove(uintptr_t target, uintptr_t source, size_t length)'),
    errno: () => koffi.errno(),
    address: (view) => Number(koffi.address(view)),
    view: (address, lengthBytes) => koffi.view(address, lengthBytes),
  };
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    const error = new SystemError(
      38,
      'koffi',
      undefined,
      `no foreign function interface for ${process.platform} ${process.arch}`,
    );
    error.cause = cause;
    throw error;
  }
}
