import { randomFillSync } from 'node:crypto';
import { IoBuffer } from '@biodone/uring';
import { enginesOf } from './engines/all.js';
import type { Engine, Session } from './engines/engine.js';
import { settleHeap } from './heap.js';
import type { Progress } from './progress.js';
import { LatencyHistogram } from './results/latency-histogram.js';
import { Budget, enginesOfTurn, groupsOfRound, turnsOf, weightOf } from './schedule.js';
import { Sessions } from './sessions.js';
import { StallTimer } from './stall-timer.js';
import { Results, Series } from './stats/results.js';
import { Slice } from './stats/slice.js';
import type { TestFile } from './test-file.js';
import { Offsets } from './workload/offsets.js';
import { WORKLOADS, type Workload } from './workload/workload.js';

/** What is measured and how long. */
export interface MeasureOptions {
  readonly file: TestFile;
  readonly repeats: number;
  /** What performance.now() should say at the end. */
  readonly deadline: number;
  readonly progress: Progress;
  /** Ends it behind the slice that is running. */
  readonly signal: AbortSignal;
  /** Hears how many repeats are complete. */
  readonly onRepeat: (complete: number) => void;
}

export interface Measured {
  /** Of the repeats that are complete. Latencies are of all that was measured. */
  readonly results: Results;
  readonly sliceMs: number;
  readonly repeats: number;
}

/** Measures every engine in every workload, again and again, everything once before anything twice. */
export async function measure(options: MeasureOptions): Promise<Measured> {
  const { file, repeats, deadline, signal, onRepeat } = options;
  const sessions = await Sessions.open(file.path);
  try {
    const budget = new Budget(deadline, repeats, (engine, workload) => sessions.of(engine, workload) !== undefined);
    const run = new Run(options, sessions, budget);
    // Round 0 warms up and is forgotten.
    let complete = 0;
    for (let round = 0; round <= repeats && !signal.aborted; round++) {
      await run.round(round);
      if (round > 0 && !signal.aborted) onRepeat(++complete);
    }
    for (const series of run.results.all()) series.keep(complete);
    return { results: run.results, sliceMs: budget.sliceMs, repeats: complete };
  } finally {
    await sessions.close();
  }
}

class Run {
  readonly results = new Results();
  readonly #options: MeasureOptions;
  readonly #sessions: Sessions;
  readonly #budget: Budget;
  /** One set of memory for all engines, so that none has a better one; by the size of a block. */
  readonly #buffers = new Map<number, IoBuffer[]>();

  constructor(options: MeasureOptions, sessions: Sessions, budget: Budget) {
    this.#options = options;
    this.#sessions = sessions;
    this.#budget = budget;
    for (const workload of WORKLOADS) {
      this.#allocate(workload);
      for (const engine of enginesOf(workload))
        this.results.add(new Series(workload, engine, sessions.reasonOf(engine, workload)));
    }
  }

  async round(round: number): Promise<void> {
    const sliceMs = this.#budget.beginRound(round);
    for (const workload of WORKLOADS) {
      await this.#options.file.settle(!workload.direct);
      for (const group of groupsOfRound(round, workload)) await this.#group(group, workload, round, sliceMs);
    }
    this.#budget.endRound();
  }

  async #group(group: readonly Engine[], workload: Workload, round: number, sliceMs: number): Promise<void> {
    this.#tell(group, workload, round);
    settleHeap();
    const timeMs = sliceMs * weightOf(group, workload);
    const turns = turnsOf(group, timeMs);
    for (let turn = 0; turn < turns; turn++) {
      // The same for all engines of the round: each finds its way through the same blocks.
      const seed = (round * WORKLOADS.length + WORKLOADS.indexOf(workload)) * 1000 + turn;
      for (const engine of enginesOfTurn(group, round, turn)) {
        const session = this.#sessions.of(engine, workload);
        if (session !== undefined && !this.#options.signal.aborted)
          await this.#slice(engine, session, workload, { round, seed, lengthMs: timeMs / turns });
      }
    }
  }

  async #slice(engine: Engine, session: Session, workload: Workload, { round, seed, lengthMs }: SlicePlan): Promise<void> {
    const series = this.results.of(workload.id, engine.id);
    const slice = new Slice({
      workload,
      offsets: new Offsets(workload, this.#options.file.sizeBytes, seed),
      buffers: this.#buffers.get(workload.blockBytes) ?? [],
      histogram: round === 0 ? new LatencyHistogram() : series.latencies,
      lengthMs,
    });
    const cpuMicros = await time(session, slice).catch((error: Error) => {
      throw new Error(`${engine.label(workload)}, ${workload.title}: ${error.message}`, { cause: error });
    });
    if (round > 0) series.add(round - 1, { count: slice.count, elapsedMs: slice.elapsedMs, cpuMicros });
  }

  #tell(group: readonly Engine[], workload: Workload, round: number): void {
    const { progress, repeats } = this.#options;
    const what = round === 0 ? 'warming up' : `repeat ${round} of ${repeats}`;
    const names = group.map((engine) => engine.label(workload)).join(' and ');
    progress.show(`${what}, ${this.#budget.secondsLeft} s left · ${workload.title} · ${names}`);
  }

  #allocate({ blockBytes, depth }: Workload): void {
    const buffers = this.#buffers.get(blockBytes) ?? [];
    while (buffers.length < depth) {
      const buffer = IoBuffer.allocate(blockBytes);
      randomFillSync(buffer.bytes);
      buffers.push(buffer);
    }
    this.#buffers.set(blockBytes, buffers);
  }
}

interface SlicePlan {
  readonly round: number;
  readonly seed: number;
  readonly lengthMs: number;
}

/** Runs a slice and returns the CPU time that the whole process took for it, in microseconds. */
async function time(session: Session, slice: Slice): Promise<number> {
  // Lets signals in between the slices of engines that never return to the event loop.
  await new Promise(setImmediate);
  const stall = new StallTimer(slice);
  try {
    const before = process.cpuUsage();
    slice.begin();
    await Promise.race([session.run(slice), stall.reached]);
    const { user, system } = process.cpuUsage(before);
    if (slice.failure !== null) throw new Error(slice.failure);
    return user + system;
  } finally {
    stall.stop();
  }
}
