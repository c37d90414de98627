import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';
import { IoBuffer, prepareRead, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { Pipe, Probe } from './support/requests.js';

describeRing('the AsyncLocalStorage of completions', () => {
  it('is not that of whoever opened the ring, and a promise keeps its own', async () => {
    const storage = new AsyncLocalStorage<string>();
    const ring = storage.run('opener', () => new ThreadRing());
    const pipe = new Pipe();
    const memory = IoBuffer.allocate(8);
    const seen = await new Promise((resolve) => {
      const read = new Probe(() => resolve(storage.getStore()));
      prepareRead(read, pipe.input, memory, 0, 8, -1);
      ring.start(read);
      setImmediate(() => writeSync(pipe.writeEnd, 'x'));
    });
    expect(seen).toBeUndefined();
    const promised = storage.run('caller', async () => {
      await ring.run((request) => prepareRead(request, pipe.input, memory, 0, 8, -1));
      return storage.getStore();
    });
    setImmediate(() => writeSync(pipe.writeEnd, 'x'));
    expect(await promised).toBe('caller');
    await ring.close();
    pipe.close();
  });
});
