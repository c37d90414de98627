import type { Engine } from '../engines/engine.js';
import { LatencyHistogram } from '../results/latency-histogram.js';
import type { Workload } from '../workload/workload.js';

/** What one engine did in one slice, or in several together. */
export interface Measurement {
  readonly count: number;
  readonly elapsedMs: number;
  /** CPU time of the whole process, with all its threads, by the program and by the kernel. */
  readonly cpuMicros: number;
}

/** Something that can be computed from a measurement: {@link iopsOf}, {@link cpuMicrosPerIoOf}. */
export type Quantity = (measurement: Measurement) => number;

/** All that is known of one engine in one workload: a row of the table. */
export class Series {
  readonly workload: Workload;
  readonly engine: Engine;
  /** Why there is nothing, or null. */
  readonly unavailable: string | null;
  /** The latencies of all repeats, in nanoseconds. */
  readonly latencies: LatencyHistogram = new LatencyHistogram();
  /** The slices of each repeat. */
  readonly #slices: Measurement[][] = [];

  constructor(workload: Workload, engine: Engine, unavailable: string | null) {
    this.workload = workload;
    this.engine = engine;
    this.unavailable = unavailable;
  }

  /** Adds a slice to a repeat, the first of which is 0. */
  add(repeat: number, slice: Measurement): void {
    const slices = this.#slices[repeat] ?? [];
    slices.push(slice);
    this.#slices[repeat] = slices;
  }

  /** Forgets the repeats behind so many: they are not complete. */
  keep(repeats: number): void {
    this.#slices.length = Math.min(this.#slices.length, repeats);
  }

  /** The slices of a repeat. */
  slicesOf(repeat: number): readonly Measurement[] {
    return this.#slices[repeat] ?? [];
  }

  /** What each repeat came to. */
  get repeats(): Measurement[] {
    return this.#slices.map(sumOf);
  }
}

/** Several slices as one. */
export function sumOf(slices: readonly Measurement[]): Measurement {
  return slices.reduce((sum, slice) => ({
    count: sum.count + slice.count,
    elapsedMs: sum.elapsedMs + slice.elapsedMs,
    cpuMicros: sum.cpuMicros + slice.cpuMicros,
  }));
}

/** All series of a run. */
export class Results {
  readonly #series = new Map<string, Series>();

  add(series: Series): void {
    this.#series.set(keyOf(series.workload.id, series.engine.id), series);
  }

  /** The series of an engine in a workload, which there is for every pair of them. */
  of(workloadId: string, engineId: string): Series {
    const series = this.#series.get(keyOf(workloadId, engineId));
    if (series === undefined) throw new Error(`no series for ${engineId} in ${workloadId}`);
    return series;
  }

  /** All of them, workload by workload, in the order of the rows. */
  all(): Series[] {
    return [...this.#series.values()];
  }
}

/** I/Os per second. */
export function iopsOf({ count, elapsedMs }: Measurement): number {
  return (count / elapsedMs) * 1000;
}

/** CPU time for one I/O. */
export function cpuMicrosPerIoOf({ cpuMicros, count }: Measurement): number {
  return cpuMicros / count;
}

function keyOf(workloadId: string, engineId: string): string {
  return `${workloadId} ${engineId}`;
}
