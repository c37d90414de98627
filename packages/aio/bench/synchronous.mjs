import { closeSync, constants, openSync } from 'node:fs';
import { AioServicePool } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import { IoBuffer, libc } from '@biodone/uring';
import { measured } from '../../uring/bench/measured.mjs';

/** Reads with `callback === null`, one at a time. */
export async function poolSync(load) {
  const device = openFile(load.path, { readOnly: true });
  const pool = new AioServicePool(device);
  const op = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(load.blockBytes), lengthBytes: load.blockBytes });
  const rate = await rateOf((recorder) => {
    op.offset = recorder.nextOffset();
    pool.submit(op);
    return op.error === 0 ? op.transferredBytes : -op.error;
  }, load);
  pool.release(op);
  await pool.close();
  await device.close();
  return rate;
}

/** What that cannot be faster than: the system call, by the same foreign function interface. */
export function barePread(load) {
  return preadBare(load, constants.O_RDONLY);
}

/** The same on a file that is opened as a device's is: its reads are noted nowhere. */
export function barePreadWithoutTimes(load) {
  return preadBare(load, constants.O_RDONLY | constants.O_NOATIME);
}

async function preadBare(load, flags) {
  const { pread } = libc();
  const fd = openSync(load.path, flags);
  const memory = IoBuffer.allocate(load.blockBytes);
  const { address } = memory;
  const rate = await rateOf((recorder) => pread(fd, address, load.blockBytes, recorder.nextOffset()), load);
  closeSync(fd);
  return rate;
}

async function rateOf(read, load) {
  const path = (_, recorder) => {
    recorder.begin();
    while (recorder.complete(0, read(recorder)));
  };
  return (await measured(path, { ...load, depth: 1 })).iops;
}
