import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AioServicePool } from '@biodone/aio';
import { BLOCK_WRITE } from '@biodone/blockdev';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const example = join(import.meta.dirname, '../examples/prometheus.mjs');

interface Example {
  watch(registry: Registry, watched: { pools: Record<string, unknown>; devices: Record<string, unknown> }): void;
}

/** The samples of a text in Prometheus' format, and the types of its metrics, each of which has a HELP line. */
function parse(text: string): { samples: Map<string, number>; types: Map<string, string> } {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  let helped = '';
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, kind, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') helped = name as string;
    else if (kind === 'TYPE') {
      expect(helped, `${name} has no HELP before its TYPE`).toBe(name);
      types.set(name as string, rest as string);
    } else {
      const [, sample, value] = /^([a-z_]+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? [];
      expect(sample, line).toBeDefined();
      samples.set(sample as string, Number(value));
    }
  }
  return { samples, types };
}

it('the example shows Prometheus what pools and devices have counted, with histograms', async () => {
  const { watch } = (await import(example)) as Example;
  const timers = new VirtualTimers();
  const { device, complete } = openManual({ timers });
  const pool = new AioServicePool(device, { inFlightMax: 1, timers });
  const registry = new Registry();
  watch(registry, { pools: { 'a "pool"': pool }, devices: { disk: device } });
  const log: string[] = [];
  start(pool, log, 'read');
  start(pool, log, 'write', { operation: BLOCK_WRITE, lengthBytes: 1024 });
  start(pool, log, 'failing');
  const waiting = start(pool, log, 'waiting');
  await timers.advance(1);
  complete();
  await timers.advance(2);
  complete();
  await timers.advance(100);
  complete(undefined, 5, 0);
  await settled();
  pool.cancel(waiting);
  const { samples, types } = parse(await registry.metrics());

  expect(types.get('biodone_pool_queued')).toBe('gauge');
  expect(types.get('biodone_pool_submitted_total')).toBe('counter');
  expect(types.get('biodone_pool_latency_seconds')).toBe('histogram');
  expect(types.get('biodone_device_latency_seconds')).toBe('histogram');
  expect(types.get('biodone_pool_queue_wait_seconds')).toBe('histogram');
  const label = 'pool="a \\"pool\\""';
  expect(samples.get(`biodone_pool_submitted_total{${label}}`)).toBe(4);
  expect(samples.get(`biodone_pool_in_flight{${label}}`)).toBe(1);
  expect(samples.get(`biodone_pool_cancels_total{${label},verdict="in-progress"}`)).toBe(1);
  expect(samples.get(`biodone_pool_bytes_total{${label},operation="write"}`)).toBe(1024);
  expect(samples.get(`biodone_pool_errors_total{${label},operation="read"}`)).toBe(1);
  expect(samples.get('biodone_device_bytes_total{device="disk",operation="read"}')).toBe(512);

  // The first read took 1 ms, the failing one 103 ms of which it waited 3.
  const read = `${label},operation="read"`;
  const bucket = (le: string) => samples.get(`biodone_pool_latency_seconds_bucket{${read},le="${le}"}`);
  expect([bucket('0.000512'), bucket('0.001024'), bucket('0.065536'), bucket('0.131072'), bucket('+Inf')]).toEqual([
    0, 1, 1, 2, 2,
  ]);
  expect(samples.get(`biodone_pool_latency_seconds_count{${read}}`)).toBe(2);
  expect(samples.get(`biodone_pool_latency_seconds_sum{${read}}`)).toBeCloseTo(0.104, 6);
  expect(samples.get(`biodone_pool_queue_wait_seconds_count{${label}}`)).toBe(3);
  expect(samples.get(`biodone_pool_queue_wait_seconds_sum{${label}}`)).toBeCloseTo(0.001 + 0.003 + 0.103, 6);
  complete();
  await settled();
  // Asked again, counters are what has been counted, not that and what they were.
  const again = parse(await registry.metrics()).samples;
  expect(again.get(`biodone_pool_submitted_total{${label}}`)).toBe(4);
});

it.each(['its own path', 'a path with a symbolic link'])(
  'the example serves them on a port of this machine: by %s',
  { timeout: 30_000 },
  async (path) => {
    const folder = makeFolder();
    const linked = join(folder.path, 'examples');
    symlinkSync(join(example, '..'), linked);
    const program = path === 'its own path' ? example : join(linked, 'prometheus.mjs');
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
      const response = await fetch(url);
      expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
      const { samples } = parse(await response.text());
      const submitted = ['first', 'second'].map((name) => samples.get(`biodone_pool_submitted_total{pool="${name}"}`));
      expect(submitted).toEqual([100, 100]);
      const count = (operation: string) =>
        samples.get(`biodone_device_latency_seconds_count{device="disk",operation="${operation}"}`);
      expect([count('read'), count('write')]).toEqual([150, 50]);
    } finally {
      child.kill();
      await once(child, 'exit');
      folder.remove();
    }
  },
);
