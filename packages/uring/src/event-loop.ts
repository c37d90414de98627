import { AsyncResource } from 'node:async_hooks';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { O_CLOEXEC, O_NONBLOCK } from './abi.js';
import { SystemError } from './errors.js';
import { libc } from './syscalls.js';
import { closeOwned, handOver, openOwned, openOwnedPipe } from './thread-end.js';

/** Those of this thread that are open. */
export const openDoors: Set<EventLoopDoor> = new Set<EventLoopDoor>();

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
  /** Is called when the eventfd has been signalled. */
  readonly onReady: () => void;
  readonly #socket: Socket;
  #held = false;

  /**
   * @param onReady is called when the eventfd has been signalled
   * @param register is called once, with the eventfd
   * @throws SystemError EMFILE, ENFILE, ENOMEM, and what `register` throws
   */
  constructor(onReady: () => void, register: (eventFd: number) => void) {
    this.onReady = onReady;
    const { eventfd, dup3, errno } = libc();
    const eventFd = openOwned(() => eventfd(0, O_NONBLOCK | O_CLOEXEC));
    if (eventFd < 0) throw new SystemError(errno(), 'eventfd');
    const [readEnd, writeEnd] = pipeOrClose(eventFd);
    try {
      this.#socket = root.runInAsyncScope(() => socketOver(readEnd, onReady));
    } catch (error) {
      for (const fd of [eventFd, readEnd, writeEnd]) closeOwned(fd);
      throw error;
    }
    // The socket owns the number of the pipe's end from here on, and closes it.
    this.eventFd = readEnd;
    try {
      if (dup3(eventFd, readEnd, O_CLOEXEC) < 0) throw new SystemError(errno(), 'dup3');
      register(readEnd);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      closeOwned(eventFd);
      closeOwned(writeEnd);
    }
    this.#socket.resume();
    this.#socket.unref();
    openDoors.add(this);
  }

  /** Keeps the process alive, or lets it end. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    openDoors.delete(this);
    this.#socket.destroy();
  }
}

/** Where the completions of a shared ring run: in no request's AsyncLocalStorage, and not in that of whoever needed the ring first. */
const root = new AsyncResource('BIODONE_RING');

function socketOver(fd: number, onReady: () => void): Socket {
  // Longer than an eventfd's 8 bytes: when libuv has filled a buffer it reads on, here in vain.
  const onread = {
    buffer: Buffer.alloc(16),
    callback: (): boolean => {
      onReady();
      return true;
    },
  };
  // net.Socket documents `onread`, its type declares it for connect() only.
  const options: SocketConstructorOpts & { onread: typeof onread; handle?: Pipe } = { readable: true, writable: false, onread };
  if (isMainThread) options.fd = fd;
  else options.handle = openPipe(fd);
  return new Socket(options);
}

function pipeOrClose(eventFd: number): [readEnd: number, writeEnd: number] {
  try {
    return openOwnedPipe(O_NONBLOCK | O_CLOEXEC);
  } catch (error) {
    closeOwned(eventFd);
    throw error;
  }
}

/** libuv's handle of a pipe, as Node wraps it. */
interface Pipe {
  open(fd: number): number;
}

/**
 * The handle that a socket would make for a descriptor, but made so that at every moment either this worker's end closes the descriptor
 * or the handle does. Node does not export the class of such handles; a socket that is to connect to what is no socket has one.
 */
function openPipe(fd: number): Pipe {
  const socket = new Socket();
  socket.on('error', () => {});
  socket.connect('/dev/null');
  const { _handle: handle } = socket as unknown as { _handle: { constructor: new (type: number) => Pipe } };
  socket.destroy();
  const pipe = new handle.constructor(PIPE_SOCKET);
  const result = handOver(fd, pipe);
  if (result < 0) throw new SystemError(-result, 'uv_pipe_open');
  return pipe;
}

/** PipeConstants.SOCKET of Node's pipe_wrap.cc. */
const PIPE_SOCKET = 0;
