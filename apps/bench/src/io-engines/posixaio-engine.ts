import { closeSync, openSync } from 'node:fs';
import {
  aio_error,
  aio_fsync,
  aio_read,
  aio_return,
  aio_suspend,
  aio_write,
  aiocb,
  EINPROGRESS,
  O_DSYNC,
  O_SYNC,
} from '@biodone/posix-aio';
import type { CompletionSink } from '../run/completion-sink.js';
import { IO_FDATASYNC, IO_READ, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, nothingToDo, type OpenOptions } from './io-engine.js';
import { openFlags, pathOf } from './open-target.js';

/** Requests that one aio_suspend waits for, as in fio's engine. */
const SUSPEND_MAX = 8;

/** biodone's POSIX AIO, used as a C program would: on io_uring, or service threads where that is not to be had. */
export const posixAioEngine: IoEngine = {
  isSynchronous: false,
  async open(options: OpenOptions): Promise<EngineOpening> {
    const fd = openSync(pathOf(options), openFlags(options));
    return {
      alignmentBytes: 4096,
      attach: (sink, units) => new PosixAioSession(sink, fd, units),
      close: async () => closeSync(fd),
    };
  },
};

class PosixAioSession implements EngineSession {
  readonly completes = 'wait' as const;
  /** Each call of aio_read or aio_write goes to the kernel by itself. */
  readonly flush = nothingToDo;
  readonly #sink: CompletionSink;
  readonly #units: readonly IoUnit[];
  readonly #blocks: readonly aiocb[];
  /** By unit: whether its block is with the kernel, or done and not taken. */
  readonly #started: Uint8Array;
  readonly #awaited: aiocb[] = [];

  constructor(sink: CompletionSink, fd: number, units: readonly IoUnit[]) {
    this.#sink = sink;
    this.#units = units;
    this.#blocks = units.map((unit) => Object.assign(new aiocb(), { aio_fildes: fd, aio_buf: unit.buffer.bytes }));
    this.#started = new Uint8Array(units.length);
  }

  start(unit: IoUnit): void {
    const block = this.#blocks[unit.index] as aiocb;
    block.aio_nbytes = unit.lengthBytes;
    block.aio_offset = unit.offset;
    this.#started[unit.index] = 1;
    if (unit.operation === IO_READ) aio_read(block);
    else if (unit.operation === IO_WRITE) aio_write(block);
    else aio_fsync(unit.operation === IO_FDATASYNC ? O_DSYNC : O_SYNC, block);
  }

  wait(timeoutMs: number): void {
    if (!this.#collect()) return;
    try {
      aio_suspend(this.#awaited, Number.isFinite(timeoutMs) ? timeoutMs : null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The time is over, or a signal came: the loop asks again.
      if (code !== 'EAGAIN' && code !== 'EINTR') throw error;
    }
    for (const unit of this.#units) if (this.#started[unit.index] === 1) this.#take(unit);
  }

  #collect(): boolean {
    const awaited = this.#awaited;
    awaited.length = 0;
    for (let index = 0; index < this.#units.length && awaited.length < SUSPEND_MAX; index++) {
      if (this.#started[index] === 1) awaited.push(this.#blocks[index] as aiocb);
    }
    return awaited.length > 0;
  }

  #take(unit: IoUnit): void {
    const block = this.#blocks[unit.index] as aiocb;
    const error = aio_error(block);
    if (error === EINPROGRESS) return;
    this.#started[unit.index] = 0;
    const transferredBytes = aio_return(block);
    this.#sink.done(unit, error === 0 ? transferredBytes : -error);
  }
}
