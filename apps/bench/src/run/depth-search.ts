/** What `latency_target` asks for. */
export interface LatencyTarget {
  readonly targetNs: number;
  /** How long each depth is tried. */
  readonly windowNs: number;
  /** How many of the I/Os of a window must keep the target. */
  readonly percent: number;
  /** Whether the job goes on with the depth that was found. */
  readonly goesOn: boolean;
}

/** What the job is to do next: go on, at {@link DepthSearch.depth}; begin to measure, as that depth is the one; or end. */
export type SearchStep = 'go-on' | 'measure' | 'end' | 'fail';

/**
 * Finds the largest depth at which enough I/Os keep a latency: the whole depth first, then by halves. With what is found the job is measured for
 * one more window, or to its end.
 */
export class DepthSearch {
  readonly #target: LatencyTarget;
  /** The largest depth that has kept the target, and the least that has not. */
  #good = 0;
  #bad: number;
  #depth: number;
  #isFound = false;
  #beginNs = 0;
  #endNs = -1;
  #ios = 0;
  #late = 0;

  constructor(target: LatencyTarget, depthMax: number) {
    this.#target = target;
    this.#depth = depthMax;
    this.#bad = depthMax + 1;
  }

  /** How many may be in flight now. */
  get depth(): number {
    return this.#depth;
  }

  /** When {@link look} is to be called at the latest. */
  get endNs(): number {
    return this.#endNs;
  }

  /** Counts an I/O that is done. One that was started before the window was in flight at another depth, and does not count. */
  count(latencyNs: number, startedNs: number): void {
    if (startedNs < this.#beginNs) return;
    this.#ios += 1;
    if (latencyNs > this.#target.targetNs) this.#late += 1;
  }

  /** Looks whether a window has ended, and what comes then. */
  look(nowNs: number): SearchStep {
    if (this.#endNs < 0) this.#begin(nowNs);
    // A window in which nothing has completed tells nothing.
    if (nowNs < this.#endNs || this.#ios === 0) return 'go-on';
    if (this.#isFound) {
      this.#begin(this.#target.goesOn ? Number.POSITIVE_INFINITY : nowNs);
      return this.#target.goesOn ? 'go-on' : 'end';
    }
    const isKept = (100 * (this.#ios - this.#late)) / this.#ios >= this.#target.percent;
    if (isKept) this.#good = this.#depth;
    else this.#bad = this.#depth;
    if (this.#bad === 1) return 'fail';
    this.#begin(nowNs);
    this.#isFound = this.#bad - this.#good === 1;
    this.#depth = this.#isFound ? this.#good : Math.floor((this.#good + this.#bad) / 2);
    return this.#isFound ? 'measure' : 'go-on';
  }

  #begin(nowNs: number): void {
    this.#beginNs = nowNs;
    this.#endNs = nowNs + this.#target.windowNs;
    this.#ios = 0;
    this.#late = 0;
  }
}
