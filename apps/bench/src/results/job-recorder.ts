import { type CountData, CountDistribution } from './count-distribution.js';
import { type DirectionData, DirectionRecorder } from './direction-recorder.js';
import { type HistogramData, LatencyHistogram } from './latency-histogram.js';

/** Of an I/O, by its index in {@link JobRecorder.directions}. */
export const DIRECTIONS = ['read', 'write', 'trim'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What a job has counted, as plain data. */
export interface RecorderData {
  readonly directions: Readonly<Record<Direction, DirectionData>>;
  /** Latencies of fsync, fdatasync and their like. */
  readonly sync: HistogramData;
  /** How many I/Os were in flight, counted at each submission with the I/O itself. */
  readonly depth: CountData;
  /** How many I/Os were submitted together. */
  readonly submitted: CountData;
  /** How many completions were taken together. */
  readonly completed: CountData;
}

const DIRECTIONS_LENGTH = DIRECTIONS.length * DirectionRecorder.LENGTH;
const SYNC_END = DIRECTIONS_LENGTH + LatencyHistogram.LENGTH;
const LENGTH = SYNC_END + 3 * CountDistribution.LENGTH;

/**
 * All that one job of one thread counts, in one piece of memory: the thread records, without allocation, and the thread that shows progress
 * reads. Memory that is never touched, such as that of trims, costs only address space.
 */
export class JobRecorder {
  readonly memory: SharedArrayBuffer;
  readonly read: DirectionRecorder;
  readonly write: DirectionRecorder;
  readonly trim: DirectionRecorder;
  readonly directions: readonly DirectionRecorder[];
  readonly sync: LatencyHistogram;
  readonly depth: CountDistribution;
  readonly submitted: CountDistribution;
  readonly completed: CountDistribution;

  /** @param memory that of another thread's recorder, to see what it counts; new memory by default */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LENGTH * Float64Array.BYTES_PER_ELEMENT)) {
    const numbers = new Float64Array(memory);
    if (numbers.length !== LENGTH) throw new RangeError(`a recorder takes ${LENGTH} numbers`);
    const part = (start: number, length: number): Float64Array => numbers.subarray(start, start + length);
    const direction = (index: number): DirectionRecorder =>
      new DirectionRecorder(part(index * DirectionRecorder.LENGTH, DirectionRecorder.LENGTH));
    const counts = (index: number): CountDistribution =>
      new CountDistribution(part(SYNC_END + index * CountDistribution.LENGTH, CountDistribution.LENGTH));
    this.memory = memory;
    this.read = direction(0);
    this.write = direction(1);
    this.trim = direction(2);
    this.directions = [this.read, this.write, this.trim];
    this.sync = new LatencyHistogram(part(DIRECTIONS_LENGTH, LatencyHistogram.LENGTH));
    this.depth = counts(0);
    this.submitted = counts(1);
    this.completed = counts(2);
  }

  /** Adds all that a job has counted which ran beside this one. */
  add(other: JobRecorder): void {
    this.read.add(other.read);
    this.write.add(other.write);
    this.trim.add(other.trim);
    this.sync.add(other.sync);
    this.depth.add(other.depth);
    this.submitted.add(other.submitted);
    this.completed.add(other.completed);
  }

  /** Forgets everything, as at the end of a ramp. */
  clear(): void {
    new Float64Array(this.memory).fill(0);
  }

  toData(): RecorderData {
    return {
      directions: { read: this.read.toData(), write: this.write.toData(), trim: this.trim.toData() },
      sync: this.sync.toData(),
      depth: this.depth.toData(),
      submitted: this.submitted.toData(),
      completed: this.completed.toData(),
    };
  }
}
