import { closeSync, constants, openSync } from 'node:fs';
import { aio_error, aio_read, aio_return, aio_suspend, aio_write, aiocb, configure, EINPROGRESS } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import type { Slice } from '../stats/slice.js';
import { type Engine, type Session, type Target, Unavailable } from './engine.js';

/** Requests that one aio_suspend waits for, as in fio's engine. */
const SUSPEND_MAX = 8;

/** biodone's POSIX AIO, used as a C program would: the thread blocks in aio_suspend and never returns to its event loop. */
export const posixAio: Engine = {
  id: 'posix_aio',
  synchronous: false,
  label: () => 'biodone POSIX AIO',
  open,
};

async function open({ path, buffer, direct }: Target): Promise<Session> {
  // Chosen here, it need not warn that there is no io_uring: that is said in other rows.
  configure({ engine: probe().available ? 'uring' : 'threads' });
  const fd = openSync(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0));
  try {
    readOnce(fd, buffer.bytes);
  } catch (error) {
    closeSync(fd);
    throw new Unavailable((error as Error).message);
  }
  return {
    run: (slice) => run(fd, slice),
    close: async () => closeSync(fd),
  };
}

/** Where requests are refused, the first one is. */
function readOnce(fd: number, bytes: Uint8Array): void {
  const block = controlBlock(fd, bytes);
  aio_read(block);
  aio_suspend([block], null);
  aio_return(block);
}

function run(fd: number, slice: Slice): void {
  const { depth, direction } = slice.workload;
  const submit = direction === 'read' ? aio_read : aio_write;
  const blocks = slice.buffers.slice(0, depth).map((buffer) => controlBlock(fd, buffer.bytes));
  const inProgress = blocks.map(() => true);
  for (const block of blocks) {
    block.aio_offset = slice.nextOffset();
    submit(block);
  }
  const awaited: aiocb[] = [];
  for (;;) {
    awaited.length = 0;
    for (let slot = 0; slot < depth && awaited.length < SUSPEND_MAX; slot++) {
      if (inProgress[slot] === true) awaited.push(blocks[slot] as aiocb);
    }
    if (awaited.length === 0) return;
    aio_suspend(awaited, null);
    for (let slot = 0; slot < depth; slot++) {
      if (inProgress[slot] !== true) continue;
      const block = blocks[slot] as aiocb;
      const error = aio_error(block);
      if (error === EINPROGRESS) continue;
      const transferredBytes = aio_return(block);
      if (slice.complete(slot, error === 0 ? transferredBytes : -error)) {
        block.aio_offset = slice.nextOffset();
        submit(block);
      } else {
        inProgress[slot] = false;
      }
    }
  }
}

function controlBlock(fd: number, bytes: Uint8Array): aiocb {
  const block = new aiocb();
  block.aio_fildes = fd;
  block.aio_buf = bytes;
  block.aio_nbytes = bytes.byteLength;
  return block;
}
