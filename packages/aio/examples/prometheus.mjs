// Tells Prometheus what pools and devices do, by prom-client: counters, gauges, and the latencies as histograms.
//
//   node prometheus.mjs          serves them on http://127.0.0.1:9464/metrics, beside a load that makes something to see
//
// Nothing is counted for this: pools and devices count anyway, and what is here looks at that when Prometheus asks.
import { realpathSync } from 'node:fs';
import { createServer } from 'node:http';
import { AioServiceClass, promises } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { Counter, Gauge, Registry } from 'prom-client';

/**
 * Where the buckets end, in microseconds: from 8 µs to 67 s, by factors of 2. `LatencyHistogram` has an end at each power of two, so nothing
 * has to be guessed.
 */
const BUCKET_ENDS_US = Array.from({ length: 24 }, (_, index) => 8 * 2 ** index);

/**
 * Registers the statistics of pools and devices.
 *
 * @param {Registry} registry
 * @param {{pools?: Record<string, import('@biodone/aio').AioServicePool>, devices?: Record<string, import('@biodone/blockdev').BlockDevice>}} watched
 * what is to be watched, by the names that it gets in the label `pool` or `device`
 */
export function watch(registry, { pools = {}, devices = {} }) {
  const poolStats = () => statsOf(pools, (pool) => pool.stats());
  const deviceStats = () => statsOf(devices, (device) => device.statistics());

  const pool = (name, help, of) => gauge(registry, `biodone_pool_${name}`, help, 'pool', poolStats, of);
  pool('queued', 'Operations that wait in the pool.', (stats) => stats.queued);
  pool('in_flight', 'Operations that are with the device or the service threads.', (stats) => stats.inFlight);
  pool('unreaped', 'Operations that are done and have not been reaped.', (stats) => stats.unreaped);

  const poolTotal = (name, help, of) => counter(registry, `biodone_pool_${name}_total`, help, 'pool', poolStats, of);
  poolTotal('submitted', 'Operations that have been submitted.', (stats) => stats.submitted);
  poolTotal('refused', 'Operations that were refused because the pool was full.', (stats) => stats.refused);
  poolTotal('stolen', 'Operations that were taken out of queues of other pools of the class.', (stats) => stats.stolen);
  cancels(registry, poolStats);

  const device = (name, help, of) => gauge(registry, `biodone_device_${name}`, help, 'device', deviceStats, of);
  device('in_flight', 'Requests that are with the device.', (stats) => stats.inFlight);
  const deviceTotal = (name, help, of) => counter(registry, `biodone_device_${name}_total`, help, 'device', deviceStats, of);
  deviceTotal('busy_seconds', 'For how long the device has had requests.', (stats) => stats.busyMs / 1000);
  deviceTotal('retries', 'Requests that the driver ended with EAGAIN.', (stats) => stats.retries);
  deviceTotal('timeouts', 'Requests that have taken too long.', (stats) => stats.timeouts);

  for (const [kind, stats] of [
    ['pool', poolStats],
    ['device', deviceStats],
  ]) {
    byOperation(registry, kind, stats, 'errors', 'Operations that have ended with an error.', ({ errors }) => errors);
    byOperation(registry, kind, stats, 'bytes', 'Bytes that operations have moved.', ({ bytes }) => bytes);
  }
  histogram(registry, 'biodone_pool_latency_seconds', 'From the submission of an operation to its callback.', () =>
    latencies('pool', poolStats()),
  );
  histogram(registry, 'biodone_device_latency_seconds', 'From strategy to the callback of a request.', () =>
    latencies('device', deviceStats()),
  );
  histogram(registry, 'biodone_pool_queue_wait_seconds', 'How long operations that had to wait in the pool did.', () =>
    poolStats().map(([name, stats]) => ({ labels: { pool: name }, latency: stats.queueWait, totalUs: stats.queueWaitTotalUs })),
  );
}

function statsOf(watched, look) {
  return Object.entries(watched).map(([name, one]) => [name, look(one)]);
}

function gauge(registry, name, help, label, stats, of) {
  const collect = function () {
    for (const [one, values] of stats()) this.set({ [label]: one }, of(values));
  };
  registry.registerMetric(new Gauge({ name, help, labelNames: [label], registers: [], collect }));
}

/** A counter that somebody else has counted: it is set to what that is now. */
function counter(registry, name, help, label, stats, of) {
  totals(registry, name, help, [label], () => stats().map(([one, values]) => [{ [label]: one }, of(values)]));
}

function byOperation(registry, kind, stats, what, help, of) {
  totals(registry, `biodone_${kind}_${what}_total`, help, [kind, 'operation'], () =>
    stats().flatMap(([one, { operations }]) =>
      Object.entries(operations).map(([operation, row]) => [{ [kind]: one, operation }, of(row)]),
    ),
  );
}

function cancels(registry, poolStats) {
  const help = 'What came of asking for the end of operations.';
  totals(registry, 'biodone_pool_cancels_total', help, ['pool', 'verdict'], () =>
    poolStats().flatMap(([pool, stats]) => Object.entries(stats.cancels).map(([verdict, count]) => [{ pool, verdict }, count])),
  );
}

function totals(registry, name, help, labelNames, rows) {
  const collect = function () {
    this.reset();
    for (const [labels, value] of rows()) this.inc(labels, value);
  };
  registry.registerMetric(new Counter({ name, help, labelNames, registers: [], collect }));
}

function latencies(kind, stats) {
  return stats.flatMap(([one, { operations }]) =>
    Object.entries(operations).map(([operation, { latency, totalUs }]) => ({
      labels: { [kind]: one, operation },
      latency,
      totalUs,
    })),
  );
}

/** prom-client's own Histogram counts by itself; this one shows what has been counted. `rows` gives it for each set of labels. */
function histogram(registry, name, help, rows) {
  const values = () =>
    rows().flatMap(({ labels, latency, totalUs }) => [
      ...cumulated(latency).map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })),
      { metricName: `${name}_sum`, labels, value: totalUs / 1e6 },
      { metricName: `${name}_count`, labels, value: latency.count },
    ]);
  registry.registerMetric({
    name,
    help,
    type: 'histogram',
    get: async () => ({ name, help, type: 'histogram', values: values() }),
  });
}

/** How many latencies were not above each end: as Prometheus wants it, each bucket counts those before it too. */
function cumulated(latency) {
  const used = latency.buckets();
  const ends = BUCKET_ENDS_US.map((endUs) => {
    const below = used.filter(({ belowUs }) => belowUs <= endUs);
    return [endUs / 1e6, below.reduce((sum, { count }) => sum + count, 0)];
  });
  return [...ends, ['+Inf', latency.count]];
}

/** Some reads and writes, on two pools of a class over a memory disk. */
async function load(target) {
  const buffer = IoBuffer.allocate(4096);
  const offsets = Array.from({ length: 200 }, (_, index) => (index % 64) * 4096);
  await Promise.all(offsets.map((offset, index) => promises[index % 4 === 0 ? 'write' : 'read'](target, buffer, offset)));
}

// The program's path may lead here by symbolic links.
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const device = openMem(2 ** 20);
  const target = new AioServiceClass([
    { device, inFlightMax: 16 },
    { device, inFlightMax: 16 },
  ]);
  const registry = new Registry();
  watch(registry, { pools: { first: target.pools[0], second: target.pools[1] }, devices: { disk: device } });
  const server = createServer(async (_, response) => {
    await load(target);
    response.setHeader('content-type', registry.contentType);
    response.end(await registry.metrics());
  });
  server.listen(Number(process.env.PORT ?? 9464), '127.0.0.1', () =>
    console.log(`http://127.0.0.1:${server.address().port}/metrics`),
  );
}
