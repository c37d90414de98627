import { getSystemErrorName } from 'node:util';
import { IO_ENGINES } from '../io-engines/all.js';
import type { Job } from '../jobs/job.js';
import type { JobOptions } from '../jobs/job-options.js';
import { JobRecorder } from '../results/job-recorder.js';
import type { JobResult, JobShape, LatencySearch, ResourceUse } from '../results/job-result.js';
import { sumOfSamples } from '../results/sample-series.js';
import { mergeLoopUses } from '../trust/loop-watch.js';
import type { JobPlan } from './job-plan.js';
import type { ThreadOutcome } from './job-run.js';
import type { JobThread } from './job-thread-handle.js';
import { percentileChoiceOf } from './percentile-choice.js';
import { loopShapeOf } from './plan-shape.js';

const EMPTY_USE: ResourceUse = {
  wallMs: 0,
  userMicros: 0,
  systemMicros: 0,
  contextSwitches: 0,
  majorFaults: 0,
  minorFaults: 0,
  threads: [],
};

/** What the jobs of a run have done so far: one result for each thread, or for each group that reports together. */
export function jobResults(threads: readonly JobThread[], nowMs: number): JobResult[] {
  const begun = threads.filter(({ startedAtMs }) => startedAtMs > 0);
  const bundles: JobThread[][] = [];
  for (const thread of begun) {
    const { groupId, job } = thread.plan;
    const last = bundles.at(-1);
    const isTogether = job.options.group_reporting && last?.[0]?.plan.groupId === groupId;
    if (isTogether) last?.push(thread);
    else bundles.push([thread]);
  }
  return bundles.map((bundle) => resultOf(bundle, nowMs));
}

function resultOf(threads: readonly JobThread[], nowMs: number): JobResult {
  const first = threads[0] as JobThread;
  const { plan } = first;
  const recorder = sumOfRecorders(threads);
  const outcomes = threads.flatMap(({ outcome }) => (outcome === null ? [] : [outcome]));
  const failure = outcomes.find((outcome) => outcome.failure !== null)?.failure ?? null;
  const recorded = recorder.toData();
  return {
    name: plan.job.options.name,
    groupId: plan.groupId,
    error: failure?.error ?? 0,
    errorText: failure === null ? null : failure.text,
    failedIos: sum(outcomes.map(({ failedIos }) => failedIos)),
    shape: shapeOf(plan),
    options: { name: plan.job.options.name, ...plan.job.given },
    startedAtMs: first.startedAtMs,
    elapsedMs:
      outcomes.length === threads.length ? Math.max(...outcomes.map(({ elapsedMs }) => elapsedMs)) : nowMs - first.startedAtMs,
    runtimeMs: sum(threads.map((thread) => thread.outcome?.runtimeMs ?? thread.runtimeMs)),
    etaSeconds: Math.max(...threads.map((thread) => etaSecondsOf(thread, nowMs))),
    recorded,
    percentiles: percentileChoiceOf(plan.job),
    samples: sumOfSamples(threads.map(({ samples }) => samples)),
    // A thread's own account comes with its end; a report before that has the run's.
    use: largestUse(threads.map((thread) => thread.outcome?.use ?? thread.useSoFar ?? EMPTY_USE)),
    loop: mergeLoopUses(outcomes.map(({ loop }) => loop)),
    latencySearch: latencySearchOf(plan.job.options, outcomes),
    steadyState: outcomes.find(({ steadyState }) => steadyState !== null)?.steadyState ?? null,
    warnings: warningsOf(plan, outcomes),
  };
}

/** How much longer a thread runs, as far as its time or its bytes tell. */
export function etaSecondsOf(thread: JobThread, nowMs: number): number {
  if (thread.outcome !== null) return 0;
  const { plan, recorder } = thread;
  const { runtime, ramp_time: ramp } = plan.job.options;
  const elapsedSeconds = (nowMs - thread.startedAtMs) / 1000;
  const byTime = runtime > 0 ? (runtime + ramp) / 1e6 - elapsedSeconds : Number.POSITIVE_INFINITY;
  const bytes = recorder.read.bytes + recorder.write.bytes + recorder.trim.bytes;
  const byBytes = bytes > 0 ? (elapsedSeconds * (plan.totalBytes - bytes)) / bytes : Number.POSITIVE_INFINITY;
  const seconds = Math.min(byTime, byBytes);
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : 0;
}

function sumOfRecorders(threads: readonly JobThread[]): JobRecorder {
  const [first] = threads as [JobThread];
  if (threads.length === 1) return first.recorder;
  const sumRecorder = new JobRecorder();
  for (const { recorder } of threads) sumRecorder.add(recorder);
  return sumRecorder;
}

/** Each thread has counted the whole process, so the one that took longest has counted most. */
function largestUse(uses: readonly ResourceUse[]): ResourceUse {
  return uses.reduce((largest, use) => (use.wallMs > largest.wallMs ? use : largest), EMPTY_USE);
}

function shapeOf(plan: JobPlan): JobShape {
  const { job, target } = plan;
  const { options } = job;
  const filename = target.kind === 'file' ? target.path : target.kind === 'stack' ? target.spec : 'none';
  return {
    rw: options.rw.name,
    bs: blockText(job),
    ioengine: options.ioengine,
    iodepth: options.iodepth,
    ...loopShapeOf(plan),
    numjobs: options.numjobs,
    direct: options.direct || !options.buffered,
    filename,
  };
}

/** As it was written, with all sizes that there are. */
function blockText({ options, given, globals }: Job): string {
  const name = options.bssplit !== null ? 'bssplit' : options.bsrange !== null ? 'bsrange' : 'bs';
  const written = given[name] ?? globals[name];
  if (written !== undefined) return written;
  const { min } = options.bs.read;
  return min % 1024 === 0 ? `${min / 1024}k` : String(min);
}

/** Of several threads the one that could have least in flight. */
function latencySearchOf(options: JobOptions, outcomes: readonly ThreadOutcome[]): LatencySearch | null {
  const { latency_target: target, latency_window: window, latency_percentile: percent, iodepth } = options;
  if (target === 0) return null;
  const depth = Math.min(iodepth, ...outcomes.map(({ latencyDepth }) => latencyDepth ?? iodepth));
  return { targetNs: target * 1e3, windowNs: window * 1e3, percent, depth };
}

function warningsOf({ job }: JobPlan, outcomes: readonly ThreadOutcome[]): string[] {
  const { options } = job;
  const { iodepth, ioengine } = options;
  const warnings: string[] = [];
  if (IO_ENGINES[ioengine].isSynchronous && iodepth > 1)
    warnings.push(`ioengine=${ioengine} blocks in each I/O: its depth is 1, not ${iodepth}.`);
  const poolSize = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  if ((ioengine === 'fs' || ioengine === 'fs-promises') && iodepth > poolSize) {
    warnings.push(
      `Node's thread pool has ${poolSize} threads: of ${iodepth} I/Os in flight the others wait (UV_THREADPOOL_SIZE).`,
    );
  }
  const verified = sum(outcomes.map(({ blocksVerified }) => blocksVerified));
  if (verified > 0) warnings.push(`${verified} blocks were verified and found good.`);
  const failed = outcomes.find(({ failure }) => failure !== null)?.failure;
  if (
    failed?.error !== undefined &&
    failed.error > 0 &&
    ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(getSystemErrorName(-failed.error))
  ) {
    warnings.push('The disk became full.');
  }
  return warnings;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
