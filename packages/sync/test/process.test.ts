import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

// What only a whole process can show: whether it ends, and with which errors.

async function run(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const source = `import { KCondvar, KMutex, KRwlock, KSemaphore, SpscRing } from '@biodone/sync';
    import { Worker } from 'node:worker_threads';
    const memory = new SharedArrayBuffer(1024);\n${script}`;
  const options = { cwd: import.meta.dirname, timeout: 20_000 };
  try {
    const done = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', source], options);
    return { code: 0, ...done };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe('a process', () => {
  it('lives while a callback waits, and ends then', async () => {
    const { code, stdout } = await run(`
      const semaphore = KSemaphore.initialize(memory, 0);
      semaphore.waitCallback(() => console.log('called'));
      new Worker(new URL('data:text/javascript,' + encodeURIComponent(
        "import { workerData as m } from 'node:worker_threads'; const { KSemaphore } ="
        + "await import('" + import.meta.resolve('@biodone/sync') + "'); new KSemaphore(m, 0).post();")),
        { workerData: memory }).unref();
    `);
    expect([code, stdout]).toEqual([0, 'called\n']);
  });

  it('ends when nothing waits any more', async () => {
    const { code, stdout } = await run(`
      const mutex = KMutex.initialize(memory, 0);
      mutex.enter();
      const pending = mutex.enterCallback((error) => console.log(error.code));
      mutex.enterCallback((error) => console.log(error.code), { timeoutMs: 20 });
      setTimeout(() => pending.cancel(), 10);
    `);
    expect([code, stdout]).toEqual([0, 'ECANCELED\nETIMEDOUT\n']);
  });

  it('gets the error of a callback as an uncaught exception, and the next callback is called', async () => {
    const { code, stdout } = await run(`
      process.on('uncaughtException', (error) => console.log('uncaught', error.message));
      const semaphore = KSemaphore.initialize(memory, 0);
      semaphore.waitCallback(() => { throw new Error('mine'); });
      semaphore.waitCallback(() => console.log('called'));
      semaphore.post(2);
    `);
    expect(code).toBe(0);
    expect(stdout.split('\n').sort()).toEqual(['', 'called', 'uncaught mine']);
  });

  it('can end while others wait for ever', async () => {
    const { code, stdout } = await run(`
      const mutex = KMutex.initialize(memory, 0);
      mutex.enter();
      mutex.enterCallback(() => {});
      setTimeout(() => { console.log('enough'); process.exit(3); }, 20);
    `);
    expect([code, stdout]).toEqual([3, 'enough\n']);
  });

  it('can terminate a worker that sleeps in any of the primitives', async () => {
    const { code, stdout, stderr } = await run(`
      const mutex = KMutex.initialize(memory, 0);
      mutex.enter();
      KCondvar.initialize(memory, 64);
      KMutex.initialize(memory, 128);
      KRwlock.initialize(memory, 192).enter('writer');
      KSemaphore.initialize(memory, 256);
      SpscRing.initialize(memory, 320, { recordBytes: 4, capacity: 2 });
      const about = new Int32Array(memory, 1016, 2);
      const sleeps = ['new KMutex(m, 0).enter()', 'x = new KMutex(m, 128); x.enter(); new KCondvar(m, 64).wait(x)',
        "new KRwlock(m, 192).enter('reader')", 'new KSemaphore(m, 256).wait()', 'new SpscRing(m, 320).waitForRecords()'];
      const workers = sleeps.map((sleep) => new Worker(new URL('data:text/javascript,' + encodeURIComponent(
        "import { workerData as m } from 'node:worker_threads'; const { KCondvar, KMutex, KRwlock, KSemaphore, SpscRing } ="
        + "await import('" + import.meta.resolve('@biodone/sync') + "'); let x; Atomics.add(new Int32Array(m, 1016), 0, 1);" + sleep)),
        { workerData: memory }));
      while (Atomics.load(about, 0) < sleeps.length) await new Promise(setImmediate);
      const codes = await Promise.all(workers.map((worker) => worker.terminate()));
      console.log(codes.join());
    `);
    if (code !== 0) console.log(stderr);
    expect([code, stdout]).toEqual([0, '1,1,1,1,1\n']);
  });
});
