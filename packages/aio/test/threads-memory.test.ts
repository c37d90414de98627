import { ServiceThreads } from '@biodone/aio';
import { BLOCK_COMPARE_AND_WRITE, BLOCK_WRITE, openMem } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it, vi } from 'vitest';
import { runChild } from './support/run-child.js';
import { opOf, run, spawnScript } from './support/service.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const hasAddresses = IoBuffer.allocate(1).address !== 0;
if (!hasAddresses) console.warn('what threads keep of memory is not tested: there are no addresses on this platform');

describe.runIf(hasAddresses)('the memory of operations with service threads', () => {
  it.each(['promises', 'vectors', 'blocking'])('is free when they are done, whatever the threads do: %s', async (way) => {
    const { stdout, stderr, status } = await runChild('./fresh-buffers.mjs', [way], ['--expose-gc']);
    expect([status, stderr]).toEqual([0, '']);
    // All of it would be 256; how much the heaps need differs.
    expect(Number(stdout)).toBeLessThan(128);
  });

  it('is not sent to the threads', async () => {
    const device = openMem(65536);
    const sent: unknown[] = [];
    const start = spawnScript();
    const service = new ServiceThreads(device, 8, 1, {
      spawn: (data, name) => {
        const worker = start(data, name);
        worker.postMessage = (message) => sent.push(message);
        return worker;
      },
    });
    const buffer = IoBuffer.allocate(1024);
    const vector = new IoVector([{ memory: buffer, lengthBytes: 512 }]);
    await run(service, opOf({ operation: BLOCK_WRITE, buffer }));
    await run(service, opOf({ operation: BLOCK_WRITE, vector }));
    await run(service, opOf({ operation: BLOCK_COMPARE_AND_WRITE, buffer, compare: IoBuffer.allocate(512) }));
    expect(sent).toEqual([]);
    await service.close();
    await device.close();
  });
});
