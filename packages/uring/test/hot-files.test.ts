import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  ECANCELED,
  IOSQE_ASYNC,
  IOSQE_IO_DRAIN,
  IoBuffer,
  libc,
  prepareCancel,
  prepareFsync,
  prepareNop,
  prepareRead,
  prepareWrite,
  probe,
  RequestChain,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { programPath, run } from './support/child.js';
import { seededRandom } from './support/random.js';
import { Pipe, type Probe, prepared, settle } from './support/requests.js';
import { registeredFiles } from './support/ring-info.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { until } from './support/until.js';

/** So many starts make a file hot, and some. */
const MANY = 100;
const PLACES = 64;
const memory = IoBuffer.allocate(4096);

/** A pipe whose read end does not block: it has data, or gives EAGAIN, or the end of the file when nobody can write any more. */
function openPipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const ends = new Int32Array(2);
  const closeOnExec = 0x80000;
  expect(libc().pipe2(ends, constants.O_NONBLOCK | closeOnExec)).toBe(0);
  return { readEnd: ends[0] as number, writeEnd: ends[1] as number };
}

/** Whether all writers of a pipe have closed it. Takes what is in it. */
function isAtEnd(readEnd: number): boolean {
  try {
    while (readSync(readEnd, memory.bytes) > 0);
    return true;
  } catch {
    return false;
  }
}

function use(ring: ThreadRing, file: RingFile, count = MANY): void {
  const requests = Array.from({ length: count }, () => prepared((request) => prepareWrite(request, file, memory, 0, 1, -1)));
  ring.startAll(requests);
  settle(ring);
  expect(new Set(requests.map(({ result }) => result))).toEqual(new Set([1]));
}

const { featureNames } = probe();
// On older kernels closed files could stay open for long.
const isRecent = featureNames.includes('RW_ATTR');
if (!isRecent) console.warn('tests of hot files are skipped: they need Linux 6.14');

(isRecent ? describeRing : describe.skip)('a file on which many requests are started', () => {
  const folder = temporaryFolder();

  function open(name: string): RingFile {
    writeFileSync(join(folder, name), name.repeat(4096));
    return RingFile.open(join(folder, name), 'r+');
  }

  it('is registered by itself, behind the places of the table, and others are not', async () => {
    for (const fileTableEntries of [0, 3]) {
      const own = new ThreadRing({ eventLoop: false, fileTableEntries });
      const [hot, cold] = [open('h'), open('c')];
      use(own, hot);
      use(own, cold, 10);
      expect(registeredFiles(own.ring)).toEqual([expect.stringMatching(/^\d+: .*\/h$/)]);
      expect(Number.parseInt(registeredFiles(own.ring)[0] as string, 10)).toBeGreaterThanOrEqual(fileTableEntries);
      expect(own.files.length).toBe(fileTableEntries);
      await hot.close();
      expect(registeredFiles(own.ring)).toEqual([]);
      await cold.close();
      own.closeSync();
    }
  });

  it.each([
    ['by default', {}],
    ['with a polling thread', { sqPoll: { idleMs: 10 } }],
    ['with its work done at once', { taskRun: 'interrupt' as const }],
  ])('is really closed by close(), %s', async (_, options) => {
    const own = new ThreadRing({ eventLoop: false, ...options });
    for (let round = 0; round < 3; round++) {
      const { readEnd, writeEnd } = openPipe();
      const file = RingFile.adopt(writeEnd, { path: 'pipe', native: true });
      use(own, file);
      expect(registeredFiles(own.ring).length).toBe(1);
      expect(isAtEnd(readEnd)).toBe(false);
      await file.close();
      // The polling thread lets go of its last request a moment after it has told of that.
      await until('the end of the pipe', () => isAtEnd(readEnd));
      closeSync(readEnd);
    }
    own.closeSync();
  });

  it('is closed when its last request has completed, and keeps its place until then', async () => {
    const own = new ThreadRing({ eventLoop: false });
    const { readEnd, writeEnd } = openPipe();
    const [input, output] = [RingFile.adopt(readEnd, { native: true }), RingFile.adopt(writeEnd, { native: true })];
    const reads = Array.from({ length: MANY }, () => prepared((request) => prepareRead(request, input, memory, 0, 1, -1)));
    own.startAll(reads);
    own.flush();
    const closed = input.close();
    expect(registeredFiles(own.ring).length).toBe(1);
    writeSync(writeEnd, 'x'.repeat(MANY));
    settle(own);
    await closed;
    expect(registeredFiles(own.ring)).toEqual([]);
    expect(() => writeSync(writeEnd, 'x')).toThrow(expect.objectContaining({ code: 'EPIPE' }));
    await output.close();
    own.closeSync();
  });

  it('that is borrowed is registered only if it stays open until close()', async () => {
    const own = new ThreadRing({ eventLoop: false });
    const [loose, firm] = [openPipe(), openPipe()];
    // Its owner may close it when its requests have completed, and nobody hears of that.
    use(own, RingFile.borrow(loose.writeEnd));
    expect(registeredFiles(own.ring)).toEqual([]);
    closeSync(loose.writeEnd);
    expect(isAtEnd(loose.readEnd)).toBe(true);
    const file = RingFile.borrow(firm.writeEnd, undefined, { untilClose: true });
    use(own, file);
    expect(registeredFiles(own.ring).length).toBe(1);
    await file.close();
    expect(isAtEnd(firm.readEnd)).toBe(false);
    closeSync(firm.writeEnd);
    expect(isAtEnd(firm.readEnd)).toBe(true);
    for (const { readEnd } of [loose, firm]) closeSync(readEnd);
    own.closeSync();
  });

  it('is closed with a warning when it is collected while open', async () => {
    const { status, stdout, stderr } = await run(process.execPath, ['--expose-gc', programPath('collected-hot-file.mjs')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toEqual([
      "BIODONE_FILE_COLLECTED A file was collected while open, and is closed now: 'hot'",
      '200 0',
    ]);
  });

  it('is used by its descriptor where the kernel refuses the table', async () => {
    // The table of a ring has no more places than the process may have descriptors.
    const command = 'ulimit -n 60 && exec "$0" --expose-gc "$1"';
    const { status, stdout, stderr } = await run('sh', ['-c', command, process.execPath, programPath('collected-hot-file.mjs')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('\n200 0\n');
  });

  it('has a place on one ring at a time, and another one when that is closed', async () => {
    const [first, second] = [new ThreadRing({ eventLoop: false }), new ThreadRing({ eventLoop: false })];
    const { readEnd, writeEnd } = openPipe();
    const file = RingFile.adopt(writeEnd, { native: true });
    use(first, file);
    use(second, file);
    expect([registeredFiles(first.ring).length, registeredFiles(second.ring).length]).toEqual([1, 0]);
    first.closeSync();
    use(second, file);
    expect(registeredFiles(second.ring).length).toBe(1);
    await file.close();
    expect(isAtEnd(readEnd)).toBe(true);
    closeSync(readEnd);
    second.closeSync();
  });

  it('does without a place where there is none left, until others are closed', async () => {
    const own = new ThreadRing({ eventLoop: false });
    const files = Array.from({ length: PLACES + 10 }, (_, index) => open(`${index}-`));
    for (const file of files) use(own, file);
    expect(registeredFiles(own.ring).length).toBe(PLACES);
    for (const [index, file] of files.entries()) {
      const read = prepared((request) => prepareRead(request, file, memory, 0, 4, 1024 * `${index}-`.length));
      own.start(read);
      settle(own);
      expect(Buffer.from(memory.bytes.subarray(0, 4)).toString('latin1')).toBe(`${index}-`.repeat(4).slice(0, 4));
    }
    await files[0]?.close();
    use(own, files.at(-1) as RingFile);
    expect(registeredFiles(own.ring)).toContainEqual(expect.stringMatching(`/${PLACES + 9}-$`));
    for (const file of files) await file.close();
    expect(registeredFiles(own.ring)).toEqual([]);
    own.closeSync();
  });

  it('is found by a cancel for the file, with requests by its place and by its descriptor', async () => {
    const own = new ThreadRing({ eventLoop: false });
    const { readEnd, writeEnd } = openPipe();
    const file = RingFile.adopt(readEnd, { native: true });
    const other = new Pipe();
    const reads = Array.from({ length: MANY }, () => prepared((request) => prepareRead(request, file, memory, 0, 1, -1)));
    const kept = prepared((request) => prepareRead(request, other.input, memory, 0, 1, -1));
    own.startAll([...reads, kept]);
    own.flush();
    const cancel = prepared((request) => prepareCancel(request, { file, all: true }));
    own.start(cancel);
    while (cancel.started || reads.some(({ started }) => started)) own.wait(10_000);
    expect(cancel.result).toBe(MANY);
    expect(new Set(reads.map(({ result }) => result))).toEqual(new Set([-ECANCELED]));
    expect(kept.results).toEqual([]);
    writeSync(other.writeEnd, 'x');
    settle(own);
    await file.close();
    closeSync(writeEnd);
    other.close();
    own.closeSync();
  });

  it('is the one that its requests reach, however they are started and whatever is closed and opened meanwhile', async () => {
    const random = seededRandom('hot-files');
    const letters = ['A', 'B', 'C', 'D'];
    for (const letter of letters) await open(letter).close();
    // Smaller than what is started at a time, so that requests wait.
    const own = new ThreadRing({ sqEntries: 8, cqEntries: 32 });
    const numbers = new Set<number>();
    const closes: Promise<void>[] = [];
    let hot = 0;
    for (let round = 0; round < 300; round++) {
      const letter = letters[random(4)] as string;
      const file = RingFile.open(join(folder, letter), 'r+');
      numbers.add(file.fd);
      const reads = Array.from({ length: 40 + random(100) }, () => {
        const read = prepared((request) => prepareRead(request, file, IoBuffer.allocate(16, 8), 0, 16, 16 * random(256)));
        if (random(8) === 0) read.flags |= random(2) === 0 ? IOSQE_ASYNC : IOSQE_IO_DRAIN;
        return read;
      });
      for (let index = 0; index < reads.length; index++) {
        const chained = random(8) === 0 && index + 1 < reads.length;
        if (chained) own.startChain(new RequestChain(reads.slice(index, index + 2)));
        else own.start(reads[index] as Probe);
        if (chained) index += 1;
        if (random(50) === 0) own.poll();
      }
      if (registeredFiles(own.ring).length > 0) hot += 1;
      closes.push(file.close());
      if (random(2) === 0) {
        const fsync = prepared((request) => prepareFsync(request, RingFile.open(join(folder, 'A'))));
        own.start(fsync);
        closes.push((fsync.file as RingFile).close());
      }
      while (reads.some(({ started }) => started)) own.wait(10_000);
      for (const { result, memory: into } of reads) {
        expect([result, Buffer.from((into as IoBuffer).bytes).toString('latin1')]).toEqual([16, letter.repeat(16)]);
      }
    }
    settle(own);
    await Promise.all(closes);
    // Otherwise the test has tested nothing.
    expect(hot).toBeGreaterThan(50);
    expect(numbers.size).toBeLessThan(100);
    await own.close();
  });

  it('is closed when the worker that has opened it is terminated', async () => {
    const path = join(folder, 'fifo');
    spawnSync('mkfifo', [path]);
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const worker = new Worker(new URL('./support/hot-worker.mjs', import.meta.url), { workerData: { path, count: MANY } });
    expect(await once(worker, 'message')).toEqual([1]);
    expect(isAtEnd(readEnd)).toBe(false);
    await worker.terminate();
    await until('the end of the pipe', () => isAtEnd(readEnd));
    closeSync(readEnd);
  });

  it('lets its ring close with requests on it in flight', async () => {
    const own = new ThreadRing({ eventLoop: false });
    const { readEnd, writeEnd } = openPipe();
    const file = RingFile.adopt(readEnd, { native: true });
    const reads = Array.from({ length: MANY }, () => prepared((request) => prepareRead(request, file, memory, 0, 1, -1)));
    own.startAll(reads);
    own.closeSync();
    expect(new Set(reads.map(({ result }) => result))).toEqual(new Set([-ECANCELED]));
    expect(file.references).toBe(0);
    const next = new ThreadRing({ eventLoop: false });
    const nop = prepared(prepareNop);
    next.start(nop);
    settle(next);
    await file.close();
    expect(() => writeSync(writeEnd, 'x')).toThrow(expect.objectContaining({ code: 'EPIPE' }));
    closeSync(writeEnd);
    next.closeSync();
  });
});
