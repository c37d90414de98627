import { createRequire } from 'node:module';
import { SYS_rt_sigqueueinfo } from './abi.js';
import { ENOSYS } from './errno.js';
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
  register(number: number, fd: number, opcode: number, argument: NodeJS.TypedArray, count: number): number;
  mmap(address: number, lengthBytes: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, lengthBytes: number): number;
  madvise(address: number, lengthBytes: number, advice: number): number;
  shmget(key: number, lengthBytes: number, flags: number): number;
  shmat(id: number, address: number, flags: number): number;
  shmctl(id: number, command: number, argument: number): number;
  shmdt(address: number): number;
  close(fd: number): number;
  eventfd(initial: number, flags: number): number;
  eventfd_write(fd: number, value: number): number;
  /** The address is that of an array of `struct pollfd`. */
  poll(address: number, count: number, timeoutMs: number): number;
  epoll_create1(flags: number): number;
  /** The address is that of a `struct epoll_event`. */
  epoll_ctl(epoll: number, operation: number, fd: number, address: number): number;
  read(fd: number, address: number, lengthBytes: number): number;
  write(fd: number, address: number, lengthBytes: number): number;
  pipe2(descriptors: Int32Array, flags: number): number;
  dup3(from: number, to: number, flags: number): number;
  sysconf(name: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  pread(fd: number, address: number, lengthBytes: number, offset: number): number;
  pwrite(fd: number, address: number, lengthBytes: number, offset: number): number;
  preadv(fd: number, vector: number, count: number, offset: number): number;
  pwritev(fd: number, vector: number, count: number, offset: number): number;
  /** With RWF_ flags. Null where the C library does not have it. */
  readonly pwritev2: ((fd: number, vector: number, count: number, offset: number, flags: number) => number) | null;
  /** With RWF_ flags. Null where the C library does not have it. */
  readonly preadv2: ((fd: number, vector: number, count: number, offset: number, flags: number) => number) | null;
  /** SEEK_END tells how large a file is, SEEK_DATA and SEEK_HOLE where its holes are. */
  lseek(fd: number, offset: number, whence: number): number;
  /** Null where the C library does not have it. */
  readonly fallocate: ((fd: number, mode: number, offset: number, lengthBytes: number) => number) | null;
  /** The same in a thread of Node's pool. `done` hears what it returned; the errno stays in that thread. */
  readonly fallocateAsync: ((fd: number, mode: number, offset: number, lengthBytes: number, done: AsyncDone) => void) | null;
  ioctl(fd: number, request: number, argument: number): number;
  /** The same in a thread of Node's pool: as `fallocateAsync`. */
  ioctlAsync(fd: number, request: number, argument: number, done: AsyncDone): void;
  flock(fd: number, operation: number): number;
  /** Null where the C library does not have it. */
  readonly statx: ((fd: number, path: string, flags: number, mask: number, answer: Uint8Array) => number) | null;
  /** Of a thread, 0 for the calling one. Null where the C library does not have them. */
  readonly sched_getaffinity: ((thread: number, bytes: number, mask: Uint32Array) => number) | null;
  readonly sched_setaffinity: ((thread: number, bytes: number, mask: Uint32Array) => number) | null;
  /** Of the calling thread; the sets are `sigset_t`. Returns 0, or the positive errno. */
  pthread_sigmask(how: number, set: Uint32Array, old: Uint32Array): number;
  /** Queues a signal for the process, with a `siginfo_t` at the address: rt_sigqueueinfo(2). Null where its number is not known. */
  readonly rt_sigqueueinfo: ((process: number, signal: number, information: number) => number) | null;
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  /** A stream of the C library over a descriptor, which it then owns. */
  fdopen(fd: number, mode: string): number;
  fclose(stream: number): number;
  /** Where a function of the C library is: dlsym(3), with 0 (RTLD_DEFAULT) as the handle. */
  symbol(handle: number, name: string): number;
  /** Node's own interface for native addons; null where the executable does not export it. See {@link ThreadEnd}. */
  readonly cleanupHooks: CleanupHooks | null;
  /** The addresses are numbers. */
  memmove(target: unknown, source: unknown, lengthBytes: number): void;
  /** The calling thread's errno, after a call that returned -1. */
  errno(): number;
  /** The address of a view's first byte, or of what a pointer points to. */
  address(view: unknown): number;
  /** Memory that was mapped, as an ArrayBuffer. Touching it after munmap crashes the process. */
  view(address: number, lengthBytes: number): ArrayBuffer;
}

/** What an asynchronous call returned. The first value is an error of the interface itself, such as too many calls at a time. */
type AsyncDone = (error: Error | null, result: number) => void;

/** node::AddEnvironmentCleanupHook and its counterpart, of node.h. All values are addresses. */
interface CleanupHooks {
  /** The calling thread's v8::Isolate. */
  readonly isolate: number;
  add(isolate: number, hook: number, argument: number): void;
  remove(isolate: number, hook: number, argument: number): void;
}

interface Koffi {
  load(path: null): {
    func(prototype: string): (...values: never[]) => unknown;
    func(name: string, result: string, parameters: string[]): (...values: never[]) => unknown;
  };
  errno(): number;
  address(view: unknown): bigint;
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
  const fallocate = optional(() => declare<'fallocate'>('int fallocate(int fd, int mode, int64_t offset, int64_t length)'));
  const ioctl = declare<'ioctl'>('int ioctl(int fd, ulong request, uintptr_t argument)');
  return {
    setup: syscall<'setup'>(['long', 'uint', 'void *']),
    enter: syscall<'enter'>(['long', 'int', 'uint', 'uint', 'uint', 'uintptr_t', 'size_t']),
    register: syscall<'register'>(['long', 'int', 'uint', 'void *', 'uint']),
    mmap: declare<'mmap'>('intptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, long offset)'),
    munmap: declare<'munmap'>('int munmap(uintptr_t address, size_t length)'),
    madvise: declare<'madvise'>('int madvise(uintptr_t address, size_t length, int advice)'),
    shmget: declare<'shmget'>('int shmget(int key, size_t length, int flags)'),
    shmat: declare<'shmat'>('intptr_t shmat(int id, uintptr_t address, int flags)'),
    shmctl: declare<'shmctl'>('int shmctl(int id, int command, uintptr_t argument)'),
    shmdt: declare<'shmdt'>('int shmdt(uintptr_t address)'),
    close: declare<'close'>('int close(int fd)'),
    eventfd: declare<'eventfd'>('int eventfd(uint initial, int flags)'),
    eventfd_write: declare<'eventfd_write'>('int eventfd_write(int fd, uint64_t value)'),
    poll: declare<'poll'>('int poll(uintptr_t address, ulong count, int timeout)'),
    epoll_create1: declare<'epoll_create1'>('int epoll_create1(int flags)'),
    epoll_ctl: declare<'epoll_ctl'>('int epoll_ctl(int epoll, int operation, int fd, uintptr_t address)'),
    read: declare<'read'>('intptr_t read(int fd, uintptr_t address, size_t length)'),
    write: declare<'write'>('intptr_t write(int fd, uintptr_t address, size_t length)'),
    pipe2: declare<'pipe2'>('int pipe2(void *descriptors, int flags)'),
    dup3: declare<'dup3'>('int dup3(int from, int to, int flags)'),
    sysconf: declare<'sysconf'>('long sysconf(int name)'),
    fcntl: declare<'fcntl'>('int fcntl(int fd, int command, long argument)'),
    pread: declare<'pread'>('intptr_t pread(int fd, uintptr_t address, size_t length, int64_t offset)'),
    pwrite: declare<'pwrite'>('intptr_t pwrite(int fd, uintptr_t address, size_t length, int64_t offset)'),
    preadv: declare<'preadv'>('intptr_t preadv(int fd, uintptr_t vector, int count, int64_t offset)'),
    pwritev: declare<'pwritev'>('intptr_t pwritev(int fd, uintptr_t vector, int count, int64_t offset)'),
    pwritev2: optional(() =>
      declare<'pwritev2'>('intptr_t pwritev2(int fd, uintptr_t vector, int count, int64_t offset, int flags)'),
    ),
    preadv2: optional(() =>
      declare<'preadv2'>('intptr_t preadv2(int fd, uintptr_t vector, int count, int64_t offset, int flags)'),
    ),
    lseek: declare<'lseek'>('int64_t lseek(int fd, int64_t offset, int whence)'),
    fallocate,
    fallocateAsync: fallocate === null ? null : asyncOf<NonNullable<Libc['fallocateAsync']>>(fallocate),
    ioctl,
    ioctlAsync: asyncOf<Libc['ioctlAsync']>(ioctl),
    flock: declare<'flock'>('int flock(int fd, int operation)'),
    statx: optional(() => declare<'statx'>('int statx(int fd, const char *path, int flags, uint mask, void *answer)')),
    sched_getaffinity: optional(() =>
      declare<'sched_getaffinity'>('int sched_getaffinity(int thread, size_t bytes, void *mask)'),
    ),
    sched_setaffinity: optional(() =>
      declare<'sched_setaffinity'>('int sched_setaffinity(int thread, size_t bytes, void *mask)'),
    ),
    pthread_sigmask: declare<'pthread_sigmask'>('int pthread_sigmask(int how, const void *set, void *old)'),
    rt_sigqueueinfo: sigqueueinfoOf(library),
    fsync: declare<'fsync'>('int fsync(int fd)'),
    fdatasync: declare<'fdatasync'>('int fdatasync(int fd)'),
    fdopen: declare<'fdopen'>('uintptr_t fdopen(int fd, const char *mode)'),
    fclose: declare<'fclose'>('int fclose(uintptr_t stream)'),
    symbol: library.func('dlsym', 'uintptr_t', ['uintptr_t', 'const char *']) as unknown as Libc['symbol'],
    cleanupHooks: loadCleanupHooks(library),
    memmove: declare<'memmove'>('void memmove(uintptr_t target, uintptr_t source, size_t length)'),
    errno: () => koffi.errno(),
    address: (view) => Number(koffi.address(view)),
    view: (address, lengthBytes) => koffi.view(BigInt(address), lengthBytes),
  };
}

/** Null for a function that this C library does not have. */
function optional<Func>(declare: () => Func): Func | null {
  try {
    return declare();
  } catch {
    return null;
  }
}

/** What koffi adds to each function: the same call in a thread of Node's pool. */
function asyncOf<Func>(declared: unknown): Func {
  return (declared as { async: Func }).async;
}

/** The C library has no function for it, and its number differs from one architecture to the other. */
function sigqueueinfoOf(library: ReturnType<Koffi['load']>): Libc['rt_sigqueueinfo'] {
  const number = process.platform === 'linux' ? SYS_rt_sigqueueinfo[process.arch] : undefined;
  if (number === undefined) return null;
  const call = library.func('syscall', 'int', ['long', 'int', 'int', 'uintptr_t']) as unknown as (...values: number[]) => number;
  return (process, signal, information) => call(number, process, signal, information);
}

/** By the names that the C++ compiler gives to functions of node.h and v8-isolate.h on Linux. */
function loadCleanupHooks(library: ReturnType<Koffi['load']>): CleanupHooks | null {
  // Numbers: koffi cannot look at pointers any more once Node has begun to terminate the thread.
  const hook = ['uintptr_t', 'uintptr_t', 'uintptr_t'];
  try {
    const isolate = library.func('_ZN2v87Isolate10GetCurrentEv', 'uintptr_t', []) as unknown as () => number;
    const add = library.func('_ZN4node25AddEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_', 'void', hook);
    const remove = library.func('_ZN4node28RemoveEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_', 'void', hook);
    return {
      isolate: isolate(),
      add: add as unknown as CleanupHooks['add'],
      remove: remove as unknown as CleanupHooks['remove'],
    };
  } catch {
    return null;
  }
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    const error = new SystemError(
      ENOSYS,
      'koffi',
      undefined,
      `no foreign function interface for ${process.platform} ${process.arch}`,
    );
    error.cause = cause;
    throw error;
  }
}
