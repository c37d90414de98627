import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { bench } from './support/bench.js';
import { temporaryFolder } from './support/temporary-folder.js';

// Each starts a program, and some several.
vi.setConfig({ testTimeout: 60_000 });

const folder = temporaryFolder();

/** From util-linux: tells what of a file is in the page cache. */
const CACHE_VIEWER = 'fincore';

async function report(...args: string[]): Promise<string> {
  const outcome = await bench(['run', '--name=x', ...args], { cwd: folder });
  expect({ status: outcome.status, stderr: outcome.stderr }).toEqual({ status: 0, stderr: '' });
  return outcome.stdout;
}

describe('what a run prints with its figures', () => {
  it('is what the program itself costs, and a mark at what is less than ten times that', async () => {
    const text = await report('--ioengine=null', '--size=256m', '--iodepth=4');
    const cost = /an I\/O that does nothing takes (\d+) ns at depth 4 \([\d,]+ IOPS\); a reading of the clock (\d+) ns/.exec(
      text,
    );
    expect(Number(cost?.[1])).toBeGreaterThan(0);
    expect(Number(cost?.[2])).toBeGreaterThan(0);
    // An engine that does nothing is the program itself.
    expect(text).toMatch(/ {4}lat +p1 ~.*p5 ~/);
    const slow = await report('--size=4m', '--device=throttle(mem:4m, iops=50)', '--number_ios=150', '--ioengine=uring');
    expect(slow).toMatch(/an I\/O that does nothing takes \d+ ns at depth 1/);
    // Some come at once, until the device holds the others back.
    expect(slow).toMatch(/p80 [\d.]+ ms +p90 [\d.]+ ms/);
  });

  it('are no percentiles that too few I/Os tell of', async () => {
    const percents = async (ios: number): Promise<string[]> => {
      const text = await report('--ioengine=null', '--size=256m', `--number_ios=${ios}`);
      return [...text.matchAll(/\bp([\d.]+) ~?[\d.]+ [nµm]?s/g)].map(([, percent]) => percent as string);
    };
    expect(await percents(19)).toEqual([]);
    expect(await percents(100)).toEqual(['10', '20', '30', '40', '50', '60', '70', '80', '90']);
    expect(await percents(1000)).toContain('99');
    expect(await percents(9999)).not.toContain('99.9');
    expect(await percents(10_000)).toContain('99.9');
  });

  it('is the depth that there really was, and why it is less than what was asked for', async () => {
    const blocking = await report('--ioengine=sync', '--size=1m', '--iodepth=8');
    expect(blocking).toMatch(/ depth +1\.00 achieved of 8;/);
    expect(blocking).toContain('! ioengine=sync blocks in each I/O: its depth is 1, not 8.');
    const pooled = await report('--ioengine=fs', '--size=1m', '--iodepth=8');
    expect(pooled).toContain("! Node's thread pool has 4 threads: of 8 I/Os in flight the others wait");
    // Of 256 the first ones find less in flight: 1, 2, up to 8.
    const queued = ['--ioengine=null', '--size=1m', '--iodepth=8'];
    expect(await report(...queued)).toMatch(/ depth +7\.89 achieved of 8; 1\.00 submitted and 1\.00 completed at a time/);
    const together = ['--iodepth_batch_submit=8', '--iodepth_batch_complete_max=8'];
    expect(await report(...queued, ...together)).toMatch(
      / depth +8\.00 achieved of 8; 8\.00 submitted and 8\.00 completed at a time/,
    );
  });

  it('are pauses of the garbage collector, the delay of the event loop, CPU time of all threads, and the machine', async () => {
    const args = ['--ioengine=fs-promises', '--size=64m', '--time_based', '--runtime=600ms', '--output-format=json,normal'];
    const text = await report(...args);
    const end = text.indexOf('\n}\n') + 2;
    const { jobs, biodone } = JSON.parse(text.slice(0, end));
    const { loop, use } = jobs[0].biodone;
    // A promise each, for hundreds of milliseconds: the young generation is full many times.
    expect(loop.gcCount).toBeGreaterThan(0);
    expect(loop.gcMaxMs).toBeGreaterThan(0);
    expect(loop.delayP99Ms).not.toBeNull();
    expect(use.userMicros + use.systemMicros).toBeGreaterThan(0);
    if (process.platform === 'linux') expect(use.threads.length).toBeGreaterThan(1);
    for (const name of [
      'kernel',
      'cpu',
      'governor',
      'fileSystem',
      'scheduler',
      'node',
      'libuv',
      'packages',
      'clockSource',
      'loadAverage',
    ])
      expect(biodone.machine, name).toHaveProperty(name);
    const normal = text.slice(end);
    expect(normal).toMatch(/ loop +\d+ garbage collections, [\d.]+ ms in all, .*loop delay p50 [\d.]+ ms, p99/);
    for (const line of ['CPU ', 'Kernel ', 'Storage ', 'Node ', 'biodone ', 'Date ']) expect(normal).toContain(`\n${line}`);
  });
});

describe('the page cache', () => {
  const file = join(folder, 'cached');
  const SIZE = 8 * 2 ** 20;

  /** How much of the file is in it, by fincore(1). */
  function cachedBytes(): number {
    return Number(
      spawnSync(CACHE_VIEWER, ['--bytes', '--noheadings', '--output', 'RES', file], { encoding: 'utf8' }).stdout.trim(),
    );
  }

  /** Writes it to the disk and out of the cache. */
  function drop(): boolean {
    writeFileSync(file, Buffer.alloc(SIZE, 1), { flush: true });
    spawnSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0']);
    return cachedBytes() === 0;
  }

  it('has the whole file before the first buffered read, and nothing of it is read in for direct ones', async (context) => {
    if (spawnSync(CACHE_VIEWER, ['--version']).status !== 0)
      context.skip('fincore(1), which looks into the page cache, is not here');
    if (!drop()) context.skip(`what is in ${folder} stays in the page cache`);
    const one = ['--name=x', `--filename=${file}`, '--bs=4k', '--number_ios=1', '--ioengine=sync'];
    expect(await bench(['run', ...one, '--direct=1'])).toMatchObject({ status: 0 });
    expect(cachedBytes()).toBe(0);
    expect(await bench(['run', ...one])).toMatchObject({ status: 0 });
    expect(cachedBytes()).toBe(SIZE);
  });
});
