import { BLOCK_FLUSH, type BlockIo, openNull, pollDone } from '@biodone/blockdev';
import { request, turn } from '../requests.js';
import { DeliberateError } from './operations.js';
import { type AioSchedule, aioSchedule } from './schedule.js';
import { Simulation } from './simulation.js';

/** What came of a schedule. */
export interface AioSimulationResult {
  /** What was not as it must be; empty if all was. */
  readonly faults: readonly string[];
  /** How many operations were submitted. */
  readonly operations: number;
  /** Of all that has happened: the same for the same schedule. */
  readonly hash: number;
  /** All that has happened, for people; empty unless it was asked for. */
  readonly trace: readonly string[];
}

/** A schedule that shows a fault. */
export interface AioFailure {
  /** As it was made of its seed, and what is left of it when all is left out without which the fault still shows. */
  readonly schedule: AioSchedule;
  readonly shrunk: AioSchedule;
  /** What came of the latter, with its trace. */
  readonly result: AioSimulationResult;
}

/** Options of {@link exploreAio}. */
export interface ExploreOptions {
  /** The first seed. */
  readonly from: number;
  /** How many. */
  readonly count: number;
  /** Is called after each. */
  readonly onSchedule?: (index: number, result: AioSimulationResult) => void;
}

/** Shrinking runs at most so many schedules. */
const SHRINK_RUNS_MAX = 2000;

/**
 * Runs a schedule on pools of `@biodone/aio`, in virtual time. Some of its callbacks throw on purpose: such exceptions are kept from the
 * process, so nothing else that may throw should run beside it.
 *
 * @param traced whether the result tells all that has happened
 */
export async function runAioSchedule(schedule: AioSchedule, traced = false): Promise<AioSimulationResult> {
  const simulation = new Simulation(schedule, traced);
  const { ledger } = simulation;
  const restore = catchUncaught((error) => ledger.fault(`uncaught: ${String(error)}`));
  try {
    await renewBudget();
    for (const step of schedule.steps) {
      await simulation.step(step);
      if (ledger.faults.length > 0) break;
    }
    if (ledger.faults.length === 0) await simulation.end();
  } catch (error) {
    ledger.fault(`the simulation threw ${error instanceof Error ? error.stack : String(error)}`);
  } finally {
    restore();
  }
  const { faults, submissions: operations, hash, trace } = ledger;
  return { faults, operations, hash, trace };
}

/** Runs the schedules of many seeds, one after the other, until one shows a fault. Returns null if none does. */
export async function exploreAio({ from, count, onSchedule }: ExploreOptions): Promise<AioFailure | null> {
  for (let index = 0; index < count; index++) {
    const schedule = aioSchedule(from + index);
    const result = await runAioSchedule(schedule);
    onSchedule?.(index, result);
    if (result.faults.length === 0) continue;
    const shrunk = await shrinkAioSchedule(schedule);
    return { schedule, shrunk, result: await runAioSchedule(shrunk, true) };
  }
  return null;
}

/** Leaves out of a schedule with a fault as many steps as it can, so that there still is one. */
export async function shrinkAioSchedule(schedule: AioSchedule): Promise<AioSchedule> {
  let steps = [...schedule.steps];
  let runs = 0;
  for (let size = steps.length >> 1; size >= 1; size >>= 1) {
    for (let begin = 0; begin < steps.length && runs < SHRINK_RUNS_MAX; ) {
      const fewer = [...steps.slice(0, begin), ...steps.slice(begin + size)];
      runs += 1;
      const { faults } = await runAioSchedule({ ...schedule, steps: fewer });
      if (faults.length > 0) steps = fewer;
      else begin += size;
    }
  }
  return { ...schedule, steps };
}

/** A failure as text: what is wrong, what has happened, and how to have it again. */
export function describeAioFailure({ schedule, shrunk, result }: AioFailure): string {
  return [
    `seed ${schedule.seed}, ${shrunk.steps.length} of ${schedule.steps.length} steps:`,
    ...result.trace.map((line) => `  ${line}`),
    ...result.faults,
    `again: runAioSchedule(${JSON.stringify(shrunk)}, true)`,
  ].join('\n');
}

/**
 * The thread's callbacks run in microtasks until their budget is used up, and then in a turn of the event loop. So that no schedule sees how many
 * there have been before it, each begins with a new budget: an exception in a callback uses up the old one.
 */
async function renewBudget(): Promise<void> {
  const io: BlockIo = request(BLOCK_FLUSH);
  io.iodone = () => {
    throw new DeliberateError('to use up the budget of callbacks');
  };
  nowhere.strategy(io);
  pollDone();
  await turn();
  await turn();
}

const nowhere = openNull(512);

/** Takes exceptions that nobody has caught, instead of whoever else does, until what it returns is called. */
function catchUncaught(unexpected: (error: unknown) => void): () => void {
  const others = process.listeners('uncaughtException');
  const listener = (error: unknown): void => {
    if (!(error instanceof DeliberateError)) unexpected(error);
  };
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', listener);
  return () => {
    process.off('uncaughtException', listener);
    for (const other of others) process.on('uncaughtException', other);
  };
}
