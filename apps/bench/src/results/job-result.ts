import type { RecorderData } from './job-recorder.js';
import type { LoopShape } from './loop-shape.js';
import type { SampleData } from './sample-series.js';

/** CPU time of a thread of the process. */
export interface ThreadCpu {
  /** As the kernel names it: `node`, `libuv-worker`, `iou-wrk-1234`. */
  readonly name: string;
  readonly threadId: number;
  readonly cpuMicros: number;
}

/** What a job took from the machine. All threads of the process count, unlike in fio, which counts the job's own. */
export interface ResourceUse {
  readonly wallMs: number;
  readonly userMicros: number;
  readonly systemMicros: number;
  readonly contextSwitches: number;
  readonly majorFaults: number;
  readonly minorFaults: number;
  /** Those that used most come first. Threads that ended meanwhile are only in the sums above. Empty where the kernel does not tell. */
  readonly threads: readonly ThreadCpu[];
}

/** What JavaScript added to latencies. */
export interface LoopUse {
  /** Pauses in which memory was collected. */
  readonly gcCount: number;
  readonly gcMs: number;
  readonly gcMaxMs: number;
  /** How late the event loop came to a timer, null where too few timers ran, as with an engine that blocks. */
  readonly delayP50Ms: number | null;
  readonly delayP99Ms: number | null;
  readonly delayMaxMs: number | null;
}

/** The outcome of `steadystate`: fio's criteria, or the five rounds of SNIA's test. */
export interface SteadyState {
  /** As it was asked for: `iops:2%`. */
  readonly criterion: string;
  readonly durationMs: number;
  readonly attained: boolean;
  readonly maxDeviationPercent: number;
  /** Of the line through the rounds in a second, in the criterion's unit or in percent of the mean; null where the criterion has none. */
  readonly slope: number | null;
  readonly iops: readonly number[];
  /** KiB per second. */
  readonly bandwidthKib: readonly number[];
}

/** The search of the largest depth that keeps a latency. */
export interface LatencySearch {
  readonly targetNs: number;
  readonly windowNs: number;
  /** How many of the I/Os had to keep it. */
  readonly percent: number;
  readonly depth: number;
}

/** What the job was, whether it was said or a default. */
export interface JobShape extends LoopShape {
  /** fio's name of the pattern: `randread`, `rw`. */
  readonly rw: string;
  /** fio's form: `4k`, or `4k,64k,4k`. */
  readonly bs: string;
  readonly ioengine: string;
  readonly iodepth: number;
  readonly numjobs: number;
  readonly direct: boolean;
  /** The file, device or stack that it worked on. */
  readonly filename: string;
}

/** The three parts of an I/O's time, by fio's names. */
export type LatencyKind = 'slat' | 'clat' | 'lat';

/** Which percentiles are reported. */
export interface PercentileChoice {
  /** In percent. */
  readonly list: readonly number[];
  /** In JSON, and with `json+` the bins. */
  readonly json: readonly LatencyKind[];
  readonly normal: readonly LatencyKind[];
  /** The terse format has room for one kind. */
  readonly terse: LatencyKind | null;
}

/** All that is known of a job, or of the jobs of a group that report together. Plain data. */
export interface JobResult {
  readonly name: string;
  readonly groupId: number;
  /** Positive errno of the error that ended it, 0 if none did. */
  readonly error: number;
  /** What that was, in words. */
  readonly errorText: string | null;
  /** I/Os that failed. */
  readonly failedIos: number;
  readonly shape: JobShape;
  /** The options as they were written, without those of the `[global]` sections. */
  readonly options: Readonly<Record<string, string>>;
  /** When it began, in milliseconds since 1970. */
  readonly startedAtMs: number;
  /** From its beginning to its end, the ramp included. */
  readonly elapsedMs: number;
  /** The measured time, summed over its threads. */
  readonly runtimeMs: number;
  /** How much longer it would have run: not 0 in a report that was made before its end. */
  readonly etaSeconds: number;
  readonly recorded: RecorderData;
  readonly percentiles: PercentileChoice;
  readonly samples: SampleData;
  readonly use: ResourceUse;
  readonly loop: LoopUse;
  readonly steadyState: SteadyState | null;
  /** What `latency_target` asked for and has found, null without it. */
  readonly latencySearch: LatencySearch | null;
  /** What a reader should know: the engine cannot have the depth, the pool is smaller than it. Whole sentences. */
  readonly warnings: readonly string[];
}
