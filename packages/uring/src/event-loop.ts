import { Socket, type SocketConstructorOpts } from 'node:net';
import { O_CLOEXEC, O_NONBLOCK } from './abi.js';
import { SystemError } from './errors.js';
import { libc } from './syscalls.js';

/**
 * A door from the kernel into this thread's event loop: an eventfd that calls back when it is signalled, on the main thread and in
 * workers alike.
 *
 * Node has no stream for an eventfd, so a net.Socket is made of a pipe's end and the eventfd is put in the pipe's place before libuv
 * has looked at it: libuv then polls and reads the eventfd as it would the pipe. The callback runs in Node's own scope, so promises go
 * on and exceptions surface as anywhere.
 */
export class EventLoopDoor {
  /** The eventfd, for IORING_REGISTER_EVENTFD. */
  readonly eventFd: number;
  readonly #socket: Socket;
  #held = false;

  /** @throws SystemError EMFILE, ENFILE, ENOMEM */
  constructor(onReady: () => void) {
    const { eventfd, pipe2, dup3, close, errno } = libc();
    const eventFd = eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (eventFd < 0) throw new SystemError(errno(), 'eventfd');
    const pipe = new Int32Array(2);
    if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC) < 0) {
      const error = new SystemError(errno(), 'pipe2');
      close(eventFd);
      throw error;
    }
    const [readEnd, writeEnd] = pipe as unknown as [number, number];
    // The buffer is an eventfd's 8 bytes: with a larger one libuv would read on, and wake for nothing.
    const onread = {
      buffer: Buffer.alloc(8),
      callback: (): boolean => {
        onReady();
        return true;
      },
    };
    // net.Socket documents `onread`, its type declares it for connect() only.
    const options: SocketConstructorOpts & { onread: typeof onread } = { fd: readEnd, readable: true, writable: false, onread };
    this.#socket = new Socket(options);
    dup3(eventFd, readEnd, O_CLOEXEC);
    // From here on the socket owns the eventfd, under the number of the pipe's end, and closes it; these two are spare.
    close(eventFd);
    close(writeEnd);
    this.eventFd = readEnd;
    this.#socket.resume();
    this.#socket.unref();
  }

  /** Keeps the process alive, or lets it end. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
  }
}
