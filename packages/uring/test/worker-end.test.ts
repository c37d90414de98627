import { spawnSync } from 'node:child_process';
import { on, once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { describeRing } from './support/available.js';
import { openFiles } from './support/descriptors.js';
import { invalidValue } from './support/failure.js';
import { seededRandom } from './support/random.js';
import { temporaryFolder } from './support/temporary-folder.js';

type End = 'natural' | 'exit' | 'terminate' | 'terminate at once';

const WORKERS = 1000;
const AT_A_TIME = 5;
const PATTERN = 0x5a;
/** What the file that is read is full of, so that a write into other memory shows. */
const CONTENT = 0xc3;
const MIB = 2 ** 20;
const intact = Buffer.alloc(MIB + 4096, PATTERN);

/** The memory of rings that nobody has unmapped. */
function mappedRings(): string[] {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return lines.filter((line) => line.includes('SYSV'));
}

describeRing('a worker that ends with requests in flight', () => {
  const folder = temporaryFolder();
  const random = seededRandom('worker-end');
  const readPath = join(folder, 'read');
  const writePath = join(folder, 'written');
  writeFileSync(readPath, Buffer.alloc(16 * MIB, CONTENT));
  writeFileSync(writePath, Buffer.alloc(MIB));
  const fifoPath = join(folder, 'fifo');
  spawnSync('mkfifo', [fifoPath]);
  const canaries: Uint8Array[] = [];
  afterAll(() => canaries.splice(0));

  async function startAndEnd(end: End): Promise<number> {
    const workerData = {
      fifoPath,
      readPath,
      writePath,
      end: end === 'terminate at once' ? 'terminate' : end,
      seed: random(1000),
    };
    const worker = new Worker(new URL('./support/ending-worker.mjs', import.meta.url), { workerData });
    const exited = once(worker, 'exit') as Promise<[number]>;
    const messages = on(worker, 'message');
    expect((await messages.next()).value).toEqual(['open']);
    if (end === 'terminate at once') {
      // Somewhere in its requests.
      for (let turns = random(50); turns > 0; turns--) await new Promise(setImmediate);
      void worker.terminate();
    } else if (end === 'terminate') {
      expect((await messages.next()).value).toEqual(['started']);
      void worker.terminate();
    }
    const [code] = await exited;
    plantCanaries();
    return code;
  }

  /** Takes memory in the sizes that the worker has just given back, where a late write of the kernel would hit it. */
  function plantCanaries(): void {
    for (const lengthBytes of [4096, 8192, 65_536, 65_536 + 4096, MIB, MIB + 4096]) {
      for (const memory of [new SharedArrayBuffer(lengthBytes), new ArrayBuffer(lengthBytes)]) {
        canaries.push(new Uint8Array(memory).fill(PATTERN));
      }
    }
    // The oldest are looked at, and their places are free for the next.
    if (canaries.length > 120) for (const bytes of canaries.splice(0, 60)) expectIntact(bytes);
  }

  function expectIntact(bytes: Uint8Array): void {
    if (Buffer.compare(bytes, intact.subarray(0, bytes.length)) === 0) return;
    const wrong = bytes.findIndex((byte) => byte !== PATTERN);
    throw new Error(`memory of ${bytes.length} bytes was written into at ${wrong}: ${bytes[wrong]}`);
  }

  it(`leaves no descriptor and no mapping behind and writes into nobody's memory, ${WORKERS} times`, async () => {
    const ends: End[] = ['natural', 'exit', 'terminate', 'terminate at once'];
    // What Node and the loader of modules open at the first worker stays open.
    for (const end of ends) await startAndEnd(end);
    const before = openFiles();
    let left = WORKERS;
    const codes = new Map<End, Set<number>>(ends.map((end) => [end, new Set()]));
    const series = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        // Most are terminated: that is what is hard.
        const end = ends[Math.min(random(6), 3)] as End;
        codes.get(end)?.add(await startAndEnd(end));
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, series));
    for (const bytes of canaries.splice(0)) expectIntact(bytes);
    expect(openFiles()).toEqual(before);
    expect(mappedRings()).toEqual([]);
    expect([...(codes.get('natural') as Set<number>), ...(codes.get('exit') as Set<number>)]).toEqual([0, 0]);
    expect([...(codes.get('terminate') as Set<number>)]).toEqual([1]);
    // And the kernel has written what it was given, or nothing.
    const bytes = readFileSync(writePath);
    expect(bytes.every((byte) => byte === 0x77 || byte === 0)).toBe(true);
  }, 300_000);
});

describeRing('a worker', () => {
  it('has no ring in memory that the kernel would go on writing into, unless it says so', async () => {
    const worker = new Worker(new URL('./support/mapped-worker.mjs', import.meta.url));
    const [refused, allowed] = (await answerOf(worker)) as [{ [name: string]: unknown }, { [name: string]: unknown }];
    expect(refused).toMatchObject({ code: 'ENOTSUP', syscall: 'io_uring_setup' });
    expect(refused['message']).toMatch(/use io_uring on the main thread, or say unsafeTermination: true/);
    expect(allowed).toEqual({ ownMemory: false, result: 0 });
  });

  it('cannot poll its own rings, which it would never end with, and ends in any order of them', async () => {
    const worker = new Worker(new URL('./support/polling-worker.mjs', import.meta.url));
    expect(await answerOf(worker)).toEqual([invalidValue.code, invalidValue.code]);
    expect(await worker.terminate()).toBe(1);
  });
});
