import { ENOENT, EPERM, IoBuffer, libc, RingFile } from '@biodone/uring';

// From include/uapi/linux/eventpoll.h and bits/epoll.h.
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;

/**
 * Knows an open file again by its descriptor, where its inode says nothing: epoll(7) keeps the open file together with the number, so
 * another file under the same number is not found in it. Nobody waits by it, and it keeps no file open.
 */
export class FileWitness {
  readonly #epoll: RingFile;

  private constructor(epoll: RingFile) {
    this.#epoll = epoll;
  }

  /** Null for a file that cannot be polled, `'EMFILE'` if no descriptor is left. */
  static of(fd: number): FileWitness | 'EMFILE' | null {
    const { epoll_create1, epoll_ctl, errno } = libc();
    const epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return 'EMFILE';
    const witness = new FileWitness(RingFile.adopt(epoll, { native: true }));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, noEvents()) === 0) return witness;
    const error = errno();
    witness.close();
    return error === EPERM ? null : 'EMFILE';
  }

  /** Whether the number still stands for the same open file. */
  recognizes(fd: number): boolean {
    const { epoll_ctl, errno } = libc();
    return epoll_ctl(this.#epoll.fd, EPOLL_CTL_MOD, fd, noEvents()) === 0 || errno() !== ENOENT;
  }

  close(): void {
    this.#epoll.close().catch(() => {});
  }
}

let events: IoBuffer | null = null;

/** A `struct epoll_event` of nothing. */
function noEvents(): number {
  events ??= IoBuffer.allocate(16, 8);
  return events.address;
}
