import { type AbortVerdict, type BlockCapabilities, type BlockIo, biodone, type DeviceHandle } from '@biodone/blockdev';
import { EAGAIN, ECANCELED, EINTR, ENOTSUP, IoBuffer, libc, POLLIN, POLLOUT, RWF_NOWAIT } from '@biodone/uring';
import {
  ADDRESS,
  COMMAND_READ,
  COMMAND_READV,
  DESCRIPTOR,
  FLAGS,
  LENGTH,
  MOVED,
  OPCODE,
  RESULT,
  STREAM_COMMANDS,
  STREAM_WHOLE,
} from './command.js';
import { CommandDriver } from './command-driver.js';
import { numbersOf } from './command-numbers.js';
import { oneSegment } from './file-commands.js';

/** How much is written at a time to what cannot be asked to take what it has room for: no more than poll(2) promises of a terminal. */
const CAREFUL_BYTES = 256;
/** And of a FIFO: as much as PIPE_BUF says (pipe(7)). With less it would be full, as poll(2) sees it, before all is in that it has room for. */
const CAREFUL_PIPE_BYTES = 4096;
/** From linux/fcntl.h: of what is no pipe it fails. */
const F_GETPIPE_SZ = 1032;

/**
 * In a service thread: does commands on streams, as many at a time as there are. None is waited for by itself: those that find nothing, or no room,
 * are polled together (poll(2)), with an eventfd by which the owner tells of new ones.
 */
export class StreamCommands extends CommandDriver {
  readonly name: string = STREAM_COMMANDS;
  readonly capabilities: BlockCapabilities = { readOnly: false, progress: 'any', volatileCache: false };
  readonly #eventFd: number;
  #waiting: BlockIo[] = [];
  /** `struct pollfd`, one for each that waits, after that of the eventfd. */
  #polls = IoBuffer.allocate(64 * 8, 8);
  readonly #counter = IoBuffer.allocate(8, 8);

  /** @param eventFd who owns the service signals it when there is something new */
  constructor(eventFd: number) {
    super();
    this.#eventFd = eventFd;
  }

  override handle(): DeviceHandle {
    return { driver: this.name, eventFd: this.#eventFd };
  }

  start(io: BlockIo): void {
    numbersOf(io)[io.bufferOffset / 8 + MOVED] = 0;
    if (!attempt(io, false)) this.#waiting.push(io);
  }

  startSync(io: BlockIo): void {
    io.error = ENOTSUP;
  }

  abort(io: BlockIo): AbortVerdict {
    const index = this.#waiting.indexOf(io);
    if (index < 0) return 'in-progress';
    this.#waiting.splice(index, 1);
    const moved = numbersOf(io)[io.bufferOffset / 8 + MOVED] as number;
    // A part was written: that is what it ends with.
    if (moved > 0) end(io, moved);
    else biodone(io, ECANCELED);
    return moved > 0 ? 'in-progress' : 'cancelled';
  }

  override poll(): number {
    return this.#waiting.length === 0 ? 0 : this.#look(0) === 'EINTR' ? 0 : this.#tried;
  }

  override wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const ended = this.#look(Math.ceil(Math.min(timeoutMs, 2 ** 31 - 1)));
    return ended === 'EINTR' ? 'EINTR' : this.#tried > 0 ? this.#tried : 'ETIME';
  }

  #tried = 0;

  #look(timeoutMs: number): 'EINTR' | null {
    const waiting = this.#waiting;
    const events = this.#describe(waiting);
    this.#tried = 0;
    const count = libc().poll(this.#polls.address, waiting.length + 1, timeoutMs);
    if (count < 0) return libc().errno() === EINTR ? 'EINTR' : null;
    if (count === 0) return null;
    // Half-words of a pollfd: the descriptor's two, events, and those that are there. A look leaves the signal to the wait that may follow it, which
    // would miss what came in between.
    if (timeoutMs > 0 && events[3] !== 0) libc().read(this.#eventFd, this.#counter.address, 8);
    this.#waiting = waiting.filter((io, index) => {
      if (events[(index + 1) * 4 + 3] === 0 || !attempt(io, true)) return true;
      this.#tried += 1;
      return false;
    });
    return null;
  }

  #describe(waiting: readonly BlockIo[]): Int16Array {
    const bytes = (waiting.length + 1) * 8;
    if (this.#polls.lengthBytes < bytes) this.#polls = IoBuffer.allocate(bytes * 2, 8);
    const memory = this.#polls.bytes;
    const words = new Int32Array(memory.buffer, memory.byteOffset, (waiting.length + 1) * 2);
    words[0] = this.#eventFd;
    words[1] = POLLIN;
    for (const [index, io] of waiting.entries()) {
      const numbers = numbersOf(io);
      const at = io.bufferOffset / 8;
      words[(index + 1) * 2] = numbers[at + DESCRIPTOR] as number;
      words[(index + 1) * 2 + 1] = isRead(numbers[at + OPCODE] as number) ? POLLIN : POLLOUT;
    }
    return new Int16Array(memory.buffer, memory.byteOffset, (waiting.length + 1) * 4);
  }
}

/** Tries to do a command without waiting. Returns whether it has ended. @param ready whether poll(2) has said that something can be done */
function attempt(io: BlockIo, ready: boolean): boolean {
  const numbers = numbersOf(io);
  const at = io.bufferOffset / 8;
  const opcode = numbers[at + OPCODE] as number;
  const flags = numbers[at + FLAGS] as number;
  for (;;) {
    const moved = numbers[at + MOVED] as number;
    const result = move(numbers, at, opcode, moved, ready);
    if (result === -EINTR) continue;
    if (result === -EAGAIN) return moved > 0 && (flags & STREAM_WHOLE) === 0 ? end(io, moved) : false;
    if (result < 0 || isRead(opcode)) return end(io, result < 0 && moved > 0 ? moved : result);
    numbers[at + MOVED] = moved + result;
    if ((flags & STREAM_WHOLE) === 0 || moved + result >= (numbers[at + LENGTH] as number)) return end(io, moved + result);
    // What was just said to be ready need not be any more.
    if (ready) return false;
  }
}

/** One call. What cannot be asked not to wait is left alone until poll(2) says that it need not: -EAGAIN. */
function move(numbers: Float64Array, at: number, opcode: number, moved: number, ready: boolean): number {
  const { preadv2, pwritev2, errno } = libc();
  const fd = numbers[at + DESCRIPTOR] as number;
  const address = numbers[at + ADDRESS] as number;
  const length = numbers[at + LENGTH] as number;
  const vectored = opcode === COMMAND_READV;
  const vector = vectored ? address : oneSegment(address + moved, length - moved);
  const call = isRead(opcode) ? preadv2 : pwritev2;
  if (call !== null) {
    const result = call(fd, vector, vectored ? length : 1, -1, RWF_NOWAIT);
    if (result >= 0) return result;
    const error = errno();
    if (error !== ENOTSUP) return -error;
  }
  if (!ready) return -EAGAIN;
  return moveCarefully(fd, opcode, address + moved, length - moved);
}

/** Of a terminal, a FIFO, and the like. */
function moveCarefully(fd: number, opcode: number, address: number, lengthBytes: number): number {
  const { read, write, preadv, fcntl, errno } = libc();
  const result =
    opcode === COMMAND_READV
      ? preadv(fd, address, lengthBytes, -1)
      : isRead(opcode)
        ? read(fd, address, lengthBytes)
        : write(fd, address, Math.min(lengthBytes, fcntl(fd, F_GETPIPE_SZ, 0) > 0 ? CAREFUL_PIPE_BYTES : CAREFUL_BYTES));
  return result < 0 ? -errno() : result;
}

function isRead(opcode: number): boolean {
  return opcode === COMMAND_READ || opcode === COMMAND_READV;
}

function end(io: BlockIo, result: number): true {
  numbersOf(io)[io.bufferOffset / 8 + RESULT] = result;
  io.transferredBytes = io.lengthBytes;
  biodone(io, 0);
  return true;
}
