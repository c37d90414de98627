import { closeSync, constants, openSync } from 'node:fs';
import {
  aio_error,
  aio_read,
  aio_return,
  aio_suspend,
  aiocb,
  EINPROGRESS,
  LIO_READ,
  LIO_WAIT,
  lio_listio,
  SIGEV_THREAD,
} from '@biodone/posix-aio';
import { IoBuffer, threadRing } from '@biodone/uring';
import { Tally } from './tally.mjs';

/** Reads by single calls of aio_read on a raw descriptor, `depth` at a time, as fio's posixaio does it: suspend on all, look at each, start it again. */
export function singleReads(load) {
  return onFile(load, (list, tally) => {
    for (const cb of list) {
      cb.aio_offset = tally.nextOffset();
      aio_read(cb);
    }
    let live = list;
    let more = true;
    while (live.length > 0) {
      aio_suspend(live);
      for (const cb of live) {
        if (aio_error(cb) === EINPROGRESS) continue;
        more = tally.complete(aio_return(cb)) && more;
        if (!more) {
          // The others are still under way.
          live = live.filter((one) => one !== cb);
          continue;
        }
        cb.aio_offset = tally.nextOffset();
        aio_read(cb);
      }
    }
  });
}

/**
 * The same, each with a notification (SIGEV_THREAD), which the event loop delivers and in which it is looked at and started again: none of them is done
 * within aio_read.
 */
export function notifiedReads(load) {
  return onFile(load, (list, tally) => {
    let left = list.length;
    return new Promise((resolve) => {
      const told = (cb) => {
        if (tally.complete(aio_return(cb))) {
          cb.aio_offset = tally.nextOffset();
          aio_read(cb);
        } else {
          left -= 1;
          if (left === 0) resolve();
        }
      };
      for (const cb of list) {
        cb.aio_sigevent = { sigev_notify: SIGEV_THREAD, sigev_notify_function: told, sigev_value: cb };
        cb.aio_offset = tally.nextOffset();
        aio_read(cb);
      }
    });
  });
}

/** The same by lists: one lio_listio for `depth` reads. */
export function listReads(load) {
  return onFile(load, (list, tally) => {
    for (let more = true; more; ) {
      for (const cb of list) cb.aio_offset = tally.nextOffset();
      lio_listio(LIO_WAIT, list);
      for (const cb of list) more = tally.complete(aio_return(cb));
    }
  });
}

/** How many calls of io_uring_enter(2) a list of 32 takes. */
export function callsOfList(load) {
  return onFile(load, (list) => {
    lio_listio(LIO_WAIT, list);
    const before = threadRing().ring.statistics().calls;
    lio_listio(LIO_WAIT, list);
    return threadRing().ring.statistics().calls - before;
  });
}

async function onFile({ path, depth, direct = false, blockBytes, ...load }, use) {
  const fd = openSync(path, constants.O_RDONLY | (direct ? constants.O_DIRECT : 0));
  const { bytes } = IoBuffer.allocate(depth * blockBytes);
  const list = Array.from({ length: depth }, (_, slot) =>
    Object.assign(new aiocb(), {
      aio_fildes: fd,
      aio_buf: bytes.subarray(slot * blockBytes, (slot + 1) * blockBytes),
      aio_nbytes: blockBytes,
      aio_lio_opcode: LIO_READ,
    }),
  );
  const tally = new Tally({ blockBytes, ...load });
  const result = await use(list, tally);
  closeSync(fd);
  return result ?? tally.iops;
}
