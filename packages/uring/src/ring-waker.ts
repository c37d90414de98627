import { O_CLOEXEC } from './abi.js';
import { EBADF } from './errno.js';
import { SystemError } from './errors.js';
import { IoBuffer } from './memory.js';
import { prepareRead } from './opcodes/read.js';
import { RingFile } from './ring-file.js';
import { RingRequest } from './ring-request.js';
import { libc } from './syscalls.js';
import type { ThreadRing } from './thread-ring.js';

/**
 * Wakes a thread that blocks in {@link ThreadRing.wait}, from any thread: a read of an eventfd that is in flight in its ring.
 *
 * If the thread is terminated, an eventfd that it has opened itself stays open, since another thread may be about to wake by it. So the
 * other thread had better open it ({@link openEventFd}), and close it when the thread has ended.
 *
 * The blocking thread calls {@link arm} before it waits; whoever has news for it calls {@link wakeRing} with {@link eventFd}.
 */
export class RingWaker extends RingRequest {
  /** What other threads of the process wake by. */
  readonly eventFd: number;
  readonly #ring: ThreadRing;
  readonly #counter = IoBuffer.allocate(8, 8);
  readonly #file: RingFile;
  readonly #ownsEventFd: boolean;
  #armed = false;

  /**
   * @param eventFd of {@link openEventFd}, which whoever opened it closes; without it the waker opens its own
   * @throws SystemError EMFILE, ENFILE, ENOMEM
   */
  constructor(ring: ThreadRing, eventFd?: number) {
    super();
    this.#ring = ring;
    this.#ownsEventFd = eventFd === undefined;
    this.eventFd = eventFd ?? openEventFd();
    this.#file = RingFile.borrow(this.eventFd, 'eventfd');
  }

  /** Sees to it that the next wake ends a wait; one that came before ends it too. */
  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    prepareRead(this, this.#file, this.#counter, 0, 8, -1);
    this.#ring.start(this);
  }

  override complete(): void {
    this.#armed = false;
  }

  /** Lets go of the eventfd, and closes its own, by which nobody may wake any more. */
  close(): void {
    wakeRing(this.eventFd);
    while (this.#armed) this.#ring.wait(Number.POSITIVE_INFINITY);
    void this.#file.close();
    if (this.#ownsEventFd) libc().close(this.eventFd);
  }
}

/**
 * Opens an eventfd to wake a thread by. Close it with close(2): `libc().close`.
 *
 * @throws SystemError EMFILE, ENFILE, ENOMEM
 */
export function openEventFd(): number {
  // Without O_NONBLOCK, with which the waker's read would complete with EAGAIN instead of waiting.
  const eventFd = libc().eventfd(0, O_CLOEXEC);
  if (eventFd < 0) throw new SystemError(libc().errno(), 'eventfd');
  return eventFd;
}

/**
 * Wakes the thread of a {@link RingWaker}, or spares it its next wait. Any thread may call this; it does not block.
 *
 * @throws SystemError EBADF, EINVAL for what is no open eventfd
 */
export function wakeRing(eventFd: number): void {
  const isDescriptor = (eventFd | 0) === eventFd;
  if (!isDescriptor) throw new SystemError(EBADF, 'eventfd_write', undefined, `${eventFd} is no descriptor`);
  if (libc().eventfd_write(eventFd, 1) < 0) throw new SystemError(libc().errno(), 'eventfd_write');
}
