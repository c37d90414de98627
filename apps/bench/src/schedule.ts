import { groupsOf } from './engines/all.js';
import type { Engine } from './engines/engine.js';
import { WORKLOADS, type Workload } from './workload/workload.js';

/** Slices of a pair's turns are about this long: shorter than what usually disturbs a machine, longer than what an engine needs to start. */
const TURN_MS = 25;
/** The warm-up round's slices, in which code is compiled and memory touched. */
const WARM_UP_SLICE_MS_MAX = 30;
/** Kept for closing, removing the file and printing. */
const RESERVE_MS = 500;
const SLICE_MS_MIN = 2;

/** The groups of engines in the order of a round. It begins with another one each time, so that none always runs after the same. */
export function groupsOfRound(round: number, workload: Workload): (readonly Engine[])[] {
  const groups = groupsOf(workload);
  const first = round % groups.length;
  return [...groups.slice(first), ...groups.slice(0, first)];
}

/** The engines of a group in the order of a turn: A B, B A, A B, …, so that being first does neither side good. */
export function enginesOfTurn(group: readonly Engine[], round: number, turn: number): readonly Engine[] {
  return (round + turn) % 2 === 0 ? group : [...group].reverse();
}

/** Into how many turns the time of a group is cut. Only a pair takes turns. */
export function turnsOf(group: readonly Engine[], timeMs: number): number {
  return group.length === 1 ? 1 : 2 * Math.max(1, Math.round(timeMs / TURN_MS / 2));
}

/** How many slices long each engine of a group runs. Blocking reads get two: their ratio has to be good to a few percent. */
export function weightOf(group: readonly Engine[], workload: Workload): number {
  return group.length > 1 && workload.id === 'randread_d1' ? 2 : 1;
}

/** Divides the time that is left among the rounds that are left. */
export class Budget {
  readonly #deadline: number;
  readonly #repeats: number;
  readonly #slicesPerRound: number;
  #sliceMs = 0;
  /** What the last round took besides its slices. */
  #overheadMs = 0;
  #roundStartedAt = 0;

  /**
   * @param deadline what performance.now() should say at the end
   * @param isAvailable which engines run at all
   */
  constructor(deadline: number, repeats: number, isAvailable: (engine: Engine, workload: Workload) => boolean) {
    this.#deadline = deadline - RESERVE_MS;
    this.#repeats = repeats;
    this.#slicesPerRound = WORKLOADS.flatMap((workload) =>
      groupsOf(workload).map(
        (group) => weightOf(group, workload) * group.filter((engine) => isAvailable(engine, workload)).length,
      ),
    ).reduce((sum, slices) => sum + slices, 0);
  }

  /** How long the slices of the last round were to be. */
  get sliceMs(): number {
    return this.#sliceMs;
  }

  /** Whole seconds until the end. */
  get secondsLeft(): number {
    return Math.max(0, Math.ceil((this.#deadline - performance.now()) / 1000));
  }

  /** Begins a round, 0 being the warm-up, and says how long its slices are. */
  beginRound(round: number): number {
    const now = performance.now();
    this.#roundStartedAt = now;
    const leftMs = this.#deadline - now;
    const timeMs = round === 0 ? leftMs * 0.04 : leftMs / (this.#repeats - round + 1) - this.#overheadMs;
    const sliceMs = Math.max(SLICE_MS_MIN, timeMs / this.#slicesPerRound);
    this.#sliceMs = round === 0 ? Math.min(WARM_UP_SLICE_MS_MAX, sliceMs) : sliceMs;
    return this.#sliceMs;
  }

  endRound(): void {
    const tookMs = performance.now() - this.#roundStartedAt;
    this.#overheadMs = Math.max(0, tookMs - this.#sliceMs * this.#slicesPerRound);
  }
}
