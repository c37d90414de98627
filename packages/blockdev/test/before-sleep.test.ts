import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { openFile, openMem } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { engines } from './support/available.js';
import { makeIo, start } from './support/requests.js';
import { Scripted } from './support/scripted-device.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { VirtualTimers } from './support/virtual-timers.js';

const { EAGAIN } = constants.errno;
const folder = temporaryFolder();
const LONG = Number.POSITIVE_INFINITY;

/** A device whose driver says that its completions signal a door, and for how long one may sleep. */
function telling(options: { timeoutMs?: number; timers?: VirtualTimers } = {}): { script: Scripted; vain: number[] } {
  const script = new Scripted({ options });
  const vain: number[] = [];
  script.driver.beforeSleep = (count) => {
    vain.push(count);
    return 1000;
  };
  return { script, vain };
}

describe('how long a thread that waits for several devices may leave one alone', () => {
  it('is what its driver says, which is told how often that was in vain', async () => {
    const { script, vain } = telling();
    const done = start(script.device, makeIo());
    expect([script.device.beforeSleep(0), script.device.beforeSleep(3), vain]).toEqual([1000, 1000, [0, 3]]);
    await script.endAll();
    await done;
  });

  it('is no time where a driver says nothing', async () => {
    const script = new Scripted();
    expect(script.device.beforeSleep(0)).toBe(0);
    const memory = openMem(4096);
    expect(memory.beforeSleep(0)).toBe(0);
    await memory.close();
  });

  it('is no time while a request is to be tried again', async () => {
    const timers = new VirtualTimers();
    const { script } = telling({ timers });
    const done = start(script.device, makeIo());
    script.end(script.started[0], EAGAIN);
    expect(script.device.beforeSleep(0)).toBe(0);
    await timers.advance(1000);
    expect(script.device.beforeSleep(0)).toBe(1000);
    await script.endAll();
    expect((await done).error).toBe(0);
  });

  it('is no time where requests may take too long, and while they are held back', async () => {
    expect(telling({ timeoutMs: 5 }).script.device.beforeSleep(0)).toBe(0);
    const { script } = telling();
    await script.device.quiesce();
    const done = start(script.device, makeIo());
    expect(script.device.beforeSleep(0)).toBe(0);
    script.device.resume();
    expect(script.device.beforeSleep(0)).toBe(1000);
    await script.endAll();
    await done;
  });

  it.each(engines)('is as long as one likes on a file through io_uring, and no time otherwise: %s', async (engine) => {
    const path = join(folder, `file-${engine}`);
    writeFileSync(path, 'content');
    const device = openFile(path, { engine });
    device.poll();
    expect(device.beforeSleep(0)).toBe(engine === 'uring' ? LONG : 0);
    const done = start(device, makeIo({ lengthBytes: 7 }));
    // It has not been submitted, and nobody sleeps before it is.
    expect(device.beforeSleep(0)).toBe(0);
    await done;
    await device.close();
  });
});
