import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type BlockIo, biodone } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { makeIo, write } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';
import { VirtualTime } from './support/virtual-time.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('a request that is done, on a device that others keep busy', () => {
  it('is not reported as late when its requester keeps it in a queue', async () => {
    const timers = new VirtualTime();
    const late: unknown[] = [];
    const options = { timers, timeoutMs: 100, onTimeout: (io: BlockIo, ageMs: number) => late.push([io.offset, ageMs]) };
    const script = new Scripted({ options });
    const pending = write(script.device, 'pending', 8);
    const io = makeIo({ lengthBytes: 1, offset: 16 });
    io.iodone = () => {};
    script.device.strategy(io);
    script.end(io);
    const free = new TailQueue<BlockIo>();
    free.insertTail(io);
    timers.advance(100);
    expect(late).toEqual([[8, 100]]);
    // And it is when it is started again.
    free.remove(io);
    script.device.strategy(io);
    timers.advance(100);
    expect(late).toEqual([
      [8, 100],
      [16, 100],
    ]);
    await script.endAll();
    await pending;
  });

  it('is not held for long', async () => {
    const { device, started } = openManual();
    const begin = (): WeakRef<BlockIo> => {
      const io = makeIo({ lengthBytes: 1 });
      io.iodone = () => {};
      device.strategy(io);
      return new WeakRef(io);
    };
    const all = Array.from({ length: 2000 }, begin);
    // All but two, which are started again and again.
    while (started.length > 2) device.poll();
    for (let round = 0; round < 1000; round++) {
      const io = started.shift() as BlockIo;
      biodone(io, 0);
      device.strategy(io);
    }
    await turn();
    collectGarbage();
    await turn();
    collectGarbage();
    expect(all.filter((each) => each.deref() !== undefined).length).toBeLessThan(20);
    expect(device.inFlight).toBe(2);
    while (device.inFlight > 0) device.poll();
  });
});
