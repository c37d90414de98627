import { ratioOf } from './ratio.js';
import { cpuMicrosPerIoOf, iopsOf, type Measurement, type Results, type Series } from './results.js';
import { spreadOf } from './spread.js';

/** So many I/Os take longer than a percentile that is worth printing. */
const BEYOND_MIN = 10;

/** A row of the table, and of the report's `rows`. Numbers are null where the path is not available. */
export interface Row {
  readonly workload: string;
  readonly engine: string;
  readonly label: string;
  /** The depth it really had: 1 for a path whose calls block. */
  readonly depth: number;
  readonly synchronous: boolean;
  readonly unavailable: string | null;
  /** I/Os in all repeats. */
  readonly ios: number;
  readonly iops: number | null;
  readonly iopsMin: number | null;
  readonly iopsMax: number | null;
  /** Of 10^6 bytes. */
  readonly megabytesPerSecond: number | null;
  readonly p50Micros: number | null;
  /** This and the next are null where fewer than ten I/Os took longer: it would be an accident. */
  readonly p99Micros: number | null;
  readonly p999Micros: number | null;
  readonly cpuMicrosPerIo: number | null;
  readonly overFileHandle: number | null;
  readonly iopsOfRepeats: readonly number[];
  readonly cpuMicrosPerIoOfRepeats: readonly number[];
}

/** All rows of a run. */
export function rowsOf(results: Results): Row[] {
  return results.all().map((series) => rowOf(series, results.of(series.workload.id, 'file_handle')));
}

function rowOf(series: Series, reference: Series): Row {
  const { workload, engine, latencies, repeats } = series;
  const iops = spreadOf(repeats.map(iopsOf));
  return {
    workload: workload.id,
    engine: engine.id,
    label: engine.label(workload),
    depth: engine.synchronous ? 1 : workload.depth,
    synchronous: engine.synchronous,
    unavailable: series.unavailable,
    ios: repeats.reduce((sum: number, { count }: Measurement) => sum + count, 0),
    iops: iops?.median ?? null,
    iopsMin: iops?.min ?? null,
    iopsMax: iops?.max ?? null,
    megabytesPerSecond: iops === null ? null : (iops.median * workload.blockBytes) / 1e6,
    p50Micros: micros(latencies.percentile(0.5)),
    p99Micros: micros(percentileOf(latencies, 0.99)),
    p999Micros: micros(percentileOf(latencies, 0.999)),
    cpuMicrosPerIo: spreadOf(repeats.map(cpuMicrosPerIoOf))?.median ?? null,
    overFileHandle: ratioOf(series, reference, iopsOf)?.median ?? null,
    iopsOfRepeats: repeats.map(iopsOf),
    cpuMicrosPerIoOfRepeats: repeats.map(cpuMicrosPerIoOf),
  };
}

function percentileOf(latencies: Series['latencies'], fraction: number): number | null {
  // Rounding errors must not take the share of exactly ten away.
  return latencies.count * (1 - fraction) < BEYOND_MIN - 1e-6 ? null : latencies.percentile(fraction);
}

function micros(nanoseconds: number | null): number | null {
  return nanoseconds === null ? null : nanoseconds / 1000;
}
