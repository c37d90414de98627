import { AioServicePool } from '@biodone/aio';
import { BlockIo, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { Tally } from '../../blockdev/bench/tally.mjs';

/** Operations of a pool on a device that does nothing, with callbacks. */
export async function nullPool(load) {
  const { depth, blockBytes } = load;
  const device = openNull(load.fileBytes);
  const pool = new AioServicePool(device, { depth });
  const tally = makeTally(load);
  const memory = IoBuffer.allocate(depth * blockBytes);
  await new Promise((resolve) => {
    let left = depth;
    const callback = (op) => {
      if (tally.goesOn()) {
        op.offset = tally.nextOffset();
        pool.submit(op);
        return true;
      }
      if (--left === 0) resolve();
      return false;
    };
    tally.begin();
    for (let slot = 0; slot < depth; slot++) {
      const op = Object.assign(pool.allocate(), {
        buffer: memory,
        bufferOffset: slot * blockBytes,
        lengthBytes: blockBytes,
        callback,
      });
      op.offset = tally.nextOffset();
      pool.submit(op);
    }
  });
  await pool.close();
  await device.close();
  return tally.perSecond;
}

/** Operations with `callback === null`: the pool's thread does them itself. */
export async function nullPoolSync(load) {
  const device = openNull(load.fileBytes);
  const pool = new AioServicePool(device);
  const op = fill(pool.allocate(), load);
  const perSecond = inRow(load, () => pool.submit(op), op);
  pool.release(op);
  await pool.close();
  await device.close();
  return perSecond;
}

/** What that stands on: the device's own call. */
export async function nullDeviceSync(load) {
  const device = openNull(load.fileBytes);
  const io = fill(new BlockIo(), load);
  const perSecond = inRow(load, () => device.strategySync(io), io);
  await device.close();
  return perSecond;
}

function fill(io, { blockBytes }) {
  return Object.assign(io, { buffer: IoBuffer.allocate(blockBytes), lengthBytes: blockBytes });
}

function inRow(load, run, io) {
  const tally = makeTally(load);
  tally.begin();
  do {
    io.offset = tally.nextOffset();
    run();
  } while (tally.goesOn());
  return tally.perSecond;
}

function makeTally({ fileBytes, ...load }) {
  return new Tally({ ...load, sizeBytes: fileBytes });
}
