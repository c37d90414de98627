import { MAP_ANONYMOUS, MAP_POPULATE, MAP_SHARED, PROT_READ, PROT_WRITE } from './abi.js';
import { SystemError } from './errors.js';
import { libc } from './syscalls.js';
import { threadEnd } from './thread-end.js';

// From linux/ipc.h and linux/shm.h.
const IPC_PRIVATE = 0;
const IPC_RMID = 0;
const READ_AND_WRITE = 0o600;

/** Memory that a ring's queues are to be in. */
export interface OwnedMemory {
  /** A page's beginning. */
  readonly address: number;
  unmap(): void;
}

/**
 * Zeroed memory of this process, which is unmapped when this worker ends.
 *
 * It is not JavaScript's: the kernel goes on writing into a ring's memory for a while after the ring is closed, and what is unmapped is
 * nobody else's by then, while freed memory is.
 *
 * @throws SystemError ENOMEM
 */
export function mapOwned(lengthBytes: number): OwnedMemory {
  const atEnd = threadEnd();
  if (atEnd === null) return mapAnonymous(lengthBytes);
  const { shmget, shmat, shmctl, shmdt } = libc();
  const { isolate, add, remove } = atEnd;
  // Shared memory of System V, because shmdt(2) unmaps it with one argument, as a hook has. It is marked to be destroyed before anything
  // can interrupt this thread: its last mapping then ends it.
  const id = shmget(IPC_PRIVATE, lengthBytes, READ_AND_WRITE);
  const address = shmat(id, 0, 0);
  shmctl(id, IPC_RMID, 0);
  if (address > 0) add(isolate, atEnd.shmdt, address);
  // Some containers and kernels have none. Other memory does as well, only that a terminated worker leaves it mapped.
  if (address <= 0) return mapAnonymous(lengthBytes);
  const unmap = (): void => {
    remove(isolate, atEnd.shmdt, address);
    shmdt(address);
  };
  return { address, unmap };
}

/**
 * mmap(2), to read and to write.
 *
 * @throws SystemError with its errno
 */
export function map(lengthBytes: number, flags: number, fd: number, offset: number): number {
  const { mmap, errno } = libc();
  const address = mmap(0, lengthBytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, offset);
  if (address === -1) throw new SystemError(errno(), 'mmap');
  return address;
}

function mapAnonymous(lengthBytes: number): OwnedMemory {
  const address = map(lengthBytes, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const unmap = (): void => {
    libc().munmap(address, lengthBytes);
  };
  return { address, unmap };
}
