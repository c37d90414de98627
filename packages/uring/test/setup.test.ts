import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  IOSQE_ASYNC,
  IoBuffer,
  prepareRead,
  probe,
  Ring,
  RingFile,
  type RingOptions,
  ThreadRing,
  type ThreadRingOptions,
} from '@biodone/uring';
import { expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { describeRing } from './support/available.js';
import { finish, nop, Pipe, type Probe, prepared, settle } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { until } from './support/until.js';

// IORING_SETUP_ flags, from include/uapi/linux/io_uring.h.
const CQSIZE = 1 << 3;
const CLAMP = 1 << 4;
const ATTACH_WQ = 1 << 5;
const SUBMIT_ALL = 1 << 7;
const COOP_TASKRUN = 1 << 8;
const TASKRUN_FLAG = 1 << 9;
const SINGLE_ISSUER = 1 << 12;
const DEFER_TASKRUN = 1 << 13;
const NO_MMAP = 1 << 14;
const TASK_RUNS = { interrupt: 0, cooperative: COOP_TASKRUN | TASKRUN_FLAG, deferred: DEFER_TASKRUN | TASKRUN_FLAG };
const DEFAULT = CQSIZE | CLAMP | SUBMIT_ALL | TASK_RUNS.deferred | SINGLE_ISSUER | NO_MMAP;

// Linux 6.5 and newer know all of them.
const modern = probe().ownMemory;
if (probe().available && !modern) console.warn(`tests of the flags of rings are skipped: Linux ${probe().kernel} is too old`);

const BLOCK = 4096;
const BLOCKS = 16;
const folder = temporaryFolder();
const path = join(folder, 'file');
const content = Buffer.alloc(BLOCKS * BLOCK);
for (let block = 0; block < BLOCKS; block++) content.fill(65 + block, block * BLOCK, (block + 1) * BLOCK);
writeFileSync(path, content);

/** Nops, reads of a file in this thread and in one of the kernel's, and reads of a pipe that has its data when all are started. */
class Mixture {
  readonly requests: Probe[] = [];
  readonly #expected: number[] = [];
  readonly #pipe = new Pipe();
  readonly #file = RingFile.open(path);
  readonly #memory = IoBuffer.allocate(content.length);
  readonly #letters = IoBuffer.allocate(BLOCKS);

  constructor() {
    for (let block = 0; block < BLOCKS; block++) {
      const read = prepared((request) => prepareRead(request, this.#file, this.#memory, block * BLOCK, BLOCK, block * BLOCK));
      if (block % 4 === 0) read.flags |= IOSQE_ASYNC;
      const late = prepared((request) => prepareRead(request, this.#pipe.input, this.#letters, block, 1, -1));
      this.requests.push(nop(), read, late);
      this.#expected.push(0, BLOCK, 1);
    }
  }

  write(): void {
    writeSync(this.#pipe.writeEnd, 'x'.repeat(BLOCKS));
  }

  async check(): Promise<void> {
    expect(this.requests.map(({ results }) => results)).toEqual(this.#expected.map((result) => [result]));
    expect(Buffer.compare(this.#memory.bytes, content)).toBe(0);
    expect(Buffer.from(this.#letters.bytes).toString()).toBe('x'.repeat(BLOCKS));
    await this.#file.close();
    this.#pipe.close();
  }
}

/** Uses a ring that has just been opened, and gives it back. */
async function useRing(ring: Ring): Promise<void> {
  const mixture = new Mixture();
  for (const request of mixture.requests) expect(ring.prepare(request)).toBe(true);
  ring.submit();
  mixture.write();
  finish(ring);
  await mixture.check();
  ring.close();
}

async function useThreadRing(options: ThreadRingOptions): Promise<void> {
  // Smaller than the mixture, so that requests wait.
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, ...options });
  const mixture = new Mixture();
  for (const request of mixture.requests) ring.start(request);
  ring.flush();
  mixture.write();
  if (options.eventLoop === false) settle(ring);
  else await until('the completion of all requests', () => ring.inFlight === 0);
  await mixture.check();
  await ring.close();
}

describeRing('a ring', () => {
  it.skipIf(!modern)('has the flags of the defaults, and no polling thread that burns a CPU', () => {
    const ring = new Ring();
    expect(ring.setupFlags).toBe(DEFAULT);
    ring.close();
  });

  it('says what this kernel can do, as probe() does', () => {
    const rings = [new Ring(), new Ring({ taskRun: 'interrupt', memory: 'mapped' })];
    for (const ring of rings) {
      expect(ring.features).toBe(probe().features);
      ring.close();
    }
    expect(probe().featureNames).toEqual(expect.arrayContaining(['SINGLE_MMAP', 'NODROP', 'EXT_ARG']));
  });
});

const settings: RingOptions[] = [];
for (const taskRun of ['interrupt', 'cooperative', 'deferred'] as const) {
  for (const singleIssuer of taskRun === 'deferred' ? [true] : [true, false]) {
    for (const memory of ['own', 'mapped'] as const) settings.push({ taskRun, singleIssuer, memory });
  }
}

describeRing('requests complete in a ring opened with', () => {
  it.skipIf(!modern).each(settings)('%o', async (options) => {
    const ring = new Ring(options);
    const { taskRun = 'deferred', singleIssuer, memory } = options;
    const issuer = singleIssuer ? SINGLE_ISSUER : 0;
    const own = memory === 'own' ? NO_MMAP : 0;
    expect(ring.setupFlags).toBe(CQSIZE | CLAMP | SUBMIT_ALL | TASK_RUNS[taskRun] | issuer | own);
    expect(ring.ownMemory).toBe(memory === 'own');
    await useRing(ring);
    await useThreadRing(options);
    await useThreadRing({ ...options, eventLoop: false });
  });

  it.skipIf(!modern)('as little as possible: the work is deferred where that can be', () => {
    for (const [options, taskRun] of [
      [{}, 'deferred'],
      [{ eventLoop: false }, 'deferred'],
      [{ singleIssuer: false }, 'cooperative'],
      [{ eventLoop: false, taskRun: 'interrupt' }, 'interrupt'],
    ] as const) {
      const ring = new ThreadRing(options);
      expect(ring.ring.setupFlags & (COOP_TASKRUN | DEFER_TASKRUN | TASKRUN_FLAG)).toBe(TASK_RUNS[taskRun]);
      ring.closeSync();
    }
  });

  it('what contradicts itself, which is refused', () => {
    for (const options of [
      { taskRun: 'deferred', singleIssuer: false },
      { taskRun: 'interrupt', sqPoll: {} },
    ] as const) {
      expect(() => new Ring(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
    }
    for (const options of [{ sqPoll: true }, { sqPoll: null }, { attachTo: 5 }]) {
      expect(() => new Ring(options as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
    }
  });
});

describeRing('the memory of a ring', () => {
  /** The parts of this process's memory that the kernel has given a ring, or that this process shares with it. */
  const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').match(/io_uring|\/dev\/zero/g)?.length ?? 0;

  it.skipIf(!modern).each(['own', 'mapped', 'auto'] as const)('is given back when it is closed: %s', (memory) => {
    const before = mappings();
    for (const [sqEntries, cqEntries] of [
      [1, 1],
      [256, 4096],
      [32_768, 65_536],
    ] as const) {
      const ring = new Ring({ memory, sqEntries, cqEntries });
      expect(ring.ownMemory).toBe(memory !== 'mapped');
      expect(mappings()).toBeGreaterThan(before);
      const requests = Array.from({ length: sqEntries }, () => nop());
      for (const request of requests) ring.prepare(request);
      finish(ring);
      expect(requests.every(({ result }) => result === 0)).toBe(true);
      ring.close();
      expect(mappings()).toBe(before);
    }
  });
});

describeRing("a ring that shares another one's worker threads", () => {
  it('works beside it, and after it', async () => {
    const first = new Ring();
    const second = new Ring({ attachTo: first });
    const third = new ThreadRing({ attachTo: first });
    expect(first.setupFlags & ATTACH_WQ).toBe(0);
    expect(second.setupFlags & ATTACH_WQ).toBe(ATTACH_WQ);
    expect(third.ring.setupFlags & ATTACH_WQ).toBe(ATTACH_WQ);
    await third.close();
    await useThreadRing({ attachTo: first });
    await useRing(first);
    await useRing(second);
  });

  it('is refused for what is not open, and for what is no ring', () => {
    const closed = new Ring();
    closed.close();
    const file = openSync('/dev/null', 'r');
    for (const memory of ['auto', 'own', 'mapped'] as const) {
      const refused = { name: 'SystemError', syscall: 'io_uring_setup' };
      const attach = (fd: number): Ring => new Ring({ attachTo: { fd }, memory });
      expect(() => attach(-1)).toThrow(expect.objectContaining({ ...refused, code: 'EBADF' }));
      expect(() => attach(1_000_000)).toThrow(expect.objectContaining({ ...refused, code: 'ENXIO' }));
      expect(() => attach(file)).toThrow(expect.objectContaining({ ...refused, code: 'EINVAL' }));
      expect(() => new ThreadRing({ attachTo: { fd: file }, memory })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    closeSync(file);
  });

  it.skipIf(!modern)('is refused in a worker for the same reason', async () => {
    const script = `const { parentPort } = require('node:worker_threads');
      import('@biodone/uring').then(({ Ring }) => {
        try {
          new Ring({ attachTo: { fd: 0 } });
        } catch ({ code, syscall }) {
          parentPort.postMessage({ code, syscall });
        }
      });`;
    const worker = new Worker(script, { eval: true });
    expect(await answerOf(worker)).toEqual({ code: 'EINVAL', syscall: 'io_uring_setup' });
  });
});
