import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../src/results/latency-histogram.js';
import { clockCostNs } from '../src/trust/clock-cost.js';
import { diskOf, schedulerOf, watchDisk } from '../src/trust/disk.js';
import { LoopWatch, mergeLoopUses } from '../src/trust/loop-watch.js';
import { currentLoad, machineRecord, watchOtherCpu } from '../src/trust/machine.js';
import { percentilesOf } from '../src/trust/percentiles.js';
import { watchProcess } from '../src/trust/process-watch.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

describe('percentiles', () => {
  function doubtsOf(count: number, valueNs: number, harnessNs: number | null): Record<string, string | null> {
    const histogram = new LatencyHistogram();
    for (let index = 0; index < count; index++) histogram.record(valueNs);
    return Object.fromEntries(percentilesOf(histogram, harnessNs).map(({ percent, doubt }) => [percent, doubt]));
  }

  it('need ten I/Os beyond them', () => {
    expect(doubtsOf(19, 1000, null)).toMatchObject({ 50: 'few-samples' });
    expect(doubtsOf(20, 1000, null)).toMatchObject({ 50: null, 99: 'few-samples', 1: 'few-samples' });
    expect(doubtsOf(1000, 1000, null)).toMatchObject({ 99: null, 1: null, 99.9: 'few-samples' });
    expect(doubtsOf(10_000, 1000, null)).toMatchObject({ 99.9: null, 99.99: 'few-samples' });
    expect(doubtsOf(100_000, 1000, null)).toMatchObject({ 99.99: null });
  });

  it('are doubted within ten times the cost of the program itself', () => {
    expect(doubtsOf(1000, 999, 100)).toMatchObject({ 50: 'harness' });
    expect(doubtsOf(1000, 1000, 100)).toMatchObject({ 50: null });
    expect(percentilesOf(new LatencyHistogram(), 100)).toEqual([]);
  });
});

it('the CPU time of the process holds that of all its threads', () => {
  const use = watchProcess();
  const beginning = performance.now();
  while (performance.now() - beginning < 50);
  const { wallMs, userMicros, systemMicros, threads } = use();
  expect(wallMs).toBeGreaterThanOrEqual(50);
  expect(userMicros + systemMicros).toBeGreaterThan(0);
  if (!existsSync('/proc/self/task')) return;
  const own = threads.find(({ threadId }) => threadId === process.pid);
  expect(own?.cpuMicros).toBeGreaterThan(1000);
  expect(threads.map(({ cpuMicros }) => cpuMicros)).toEqual(threads.map(({ cpuMicros }) => cpuMicros).sort((a, b) => b - a));
});

describe('the event loop', () => {
  it('is watched for garbage collections and delay', async () => {
    const watch = new LoopWatch();
    const { gc } = globalThis;
    if (gc === undefined) throw new Error('this test needs --expose-gc');
    gc();
    // Until ten turns of the timer have been seen, however long they take.
    while (watch.use().delayP50Ms === null) await new Promise(setImmediate);
    const use = watch.use();
    expect(use.gcCount).toBeGreaterThanOrEqual(1);
    expect(use.gcMs).toBeGreaterThanOrEqual(use.gcMaxMs);
    expect(use.gcMaxMs).toBeGreaterThan(0);
    expect(use.delayMaxMs).toBeGreaterThanOrEqual(use.delayP50Ms as number);
    watch.clear();
    expect(watch.use()).toMatchObject({ gcCount: 0, gcMs: 0, delayP50Ms: null });
    watch.stop();
  });

  it('of several threads is that of the latest', () => {
    const quiet = { gcCount: 1, gcMs: 2, gcMaxMs: 2, delayP50Ms: null, delayP99Ms: null, delayMaxMs: null };
    const busy = { gcCount: 2, gcMs: 3, gcMaxMs: 1, delayP50Ms: 4, delayP99Ms: 5, delayMaxMs: 6 };
    expect(mergeLoopUses([quiet, busy])).toEqual({
      gcCount: 3,
      gcMs: 5,
      gcMaxMs: 2,
      delayP50Ms: 4,
      delayP99Ms: 5,
      delayMaxMs: 6,
    });
    expect(mergeLoopUses([quiet])).toEqual(quiet);
  });
});

describe('the disk', () => {
  it('of a file is found with its scheduler, and counts what is written', (context) => {
    const disk = diskOf(folder);
    if (disk === null) return context.skip(`${folder} is on no disk`);
    const devices = execFileSync('ls', ['/sys/block'], { encoding: 'utf8' });
    expect(devices.split('\n')).toContain(disk.split('/').at(-1));
    expect(schedulerOf(disk)).toMatch(/^[a-z-]+$/);
    const use = watchDisk(disk);
    const fd = openSync(join(folder, 'written'), 'w');
    writeSync(fd, new Uint8Array(2 ** 20));
    fsyncSync(fd);
    closeSync(fd);
    const { writeIos, utilPercent } = use() ?? {};
    expect(writeIos).toBeGreaterThan(0);
    expect(utilPercent).toBeLessThanOrEqual(100);
  });

  it('is none for what is not there', () => {
    expect(diskOf('/nowhere/at/all')).toBeNull();
    expect(diskOf('/proc')).toBeNull();
    expect(schedulerOf(null)).toBe('unknown');
    expect(watchDisk('/nowhere')()).toBeNull();
  });
});

it('the record of the machine leaves nothing open', () => {
  writeFileSync(join(folder, 'target'), '');
  const others = watchOtherCpu();
  const record = machineRecord({ target: join(folder, 'target'), loadAverage: currentLoad(), otherCpuShare: others() });
  for (const [name, value] of Object.entries(record)) expect(value, name).not.toBe('');
  expect(record).toMatchObject({ program: '@biodone/bench', node: process.version, architecture: process.arch });
  if (process.platform === 'linux') {
    expect(record.kernel).toContain(spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout.trim());
    expect(record.clockSource).not.toBe('unknown');
  }
  expect(machineRecord({ target: null, loadAverage: 0, otherCpuShare: 0 })).toMatchObject({
    fileSystem: 'none',
    scheduler: 'unknown',
  });
});

it('a reading of the clock costs something, and is measured once', () => {
  expect(clockCostNs()).toBeGreaterThan(0);
  expect(clockCostNs()).toBe(clockCostNs());
});
