import type { SteadyState as Criterion } from '../jobs/steady-state.js';
import type { SteadyState } from '../results/job-result.js';

/** SNIA's test specification: five rounds, whose values lie within 20 % of their mean, and whose trend within 10 %; at most 25 rounds. */
const SNIA_WINDOW = 5;
const SNIA_SLOPE_PERCENT = 10;
const SNIA_ROUNDS_MAX = 25;

/** Looks at values in rounds of the same length, and says when the last of them are steady. */
export class SteadyWatch {
  readonly #criterion: Criterion;
  readonly #text: string;
  readonly #roundMs: number;
  readonly #window: number;
  readonly #iops: number[] = [];
  readonly #bandwidthKib: number[] = [];
  readonly #latencyNs: number[] = [];
  #rounds = 0;
  #isAttained = false;
  #deviationPercent = 0;
  #slope: number | null = null;

  /** @param windowMs what is looked at; SNIA's window is five rounds whatever it is */
  constructor(criterion: Criterion, text: string, roundMs: number, windowMs: number) {
    this.#criterion = criterion;
    this.#text = text;
    this.#roundMs = roundMs;
    this.#window = criterion.rule === 'snia' ? SNIA_WINDOW : Math.max(2, Math.round(windowMs / roundMs));
  }

  /** Adds a round. Returns whether the state is steady now, or there will be no more rounds. */
  add(iops: number, bandwidthKib: number, latencyNs = 0): boolean {
    this.#rounds += 1;
    keep(this.#iops, iops, this.#window);
    keep(this.#bandwidthKib, bandwidthKib, this.#window);
    keep(this.#latencyNs, latencyNs, this.#window);
    if (this.#iops.length === this.#window) this.#judge();
    return this.#isAttained || (this.#criterion.rule === 'snia' && this.#rounds >= SNIA_ROUNDS_MAX);
  }

  toData(): SteadyState {
    return {
      criterion: this.#text,
      durationMs: this.#window * this.#roundMs,
      attained: this.#isAttained,
      maxDeviationPercent: this.#deviationPercent,
      slope: this.#slope,
      iops: [...this.#iops],
      bandwidthKib: [...this.#bandwidthKib],
    };
  }

  #judge(): void {
    const { quantity, rule, limit, isPercent } = this.#criterion;
    const values = { iops: this.#iops, bw: this.#bandwidthKib, lat: this.#latencyNs }[quantity];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    if (mean === 0) return;
    const deviation = Math.max(...values.map((value) => Math.abs(value - mean)));
    // The line's rise from one round to the next, and in a second.
    const rise = slopeOf(values);
    const risePerSecond = rise / (this.#roundMs / 1000);
    this.#deviationPercent = (deviation / mean) * 100;
    const measure = {
      mean: deviation,
      slope: Math.abs(risePerSecond),
      snia: Math.max(...values) - Math.min(...values),
    }[rule];
    if (rule !== 'mean') this.#slope = isPercent ? (risePerSecond / mean) * 100 : risePerSecond;
    const isWithin = (isPercent ? (measure / mean) * 100 : measure) <= limit;
    const isLevel = rule !== 'snia' || (Math.abs(rise * (SNIA_WINDOW - 1)) / mean) * 100 <= SNIA_SLOPE_PERCENT;
    this.#isAttained = isWithin && isLevel;
  }
}

function keep(values: number[], value: number, count: number): void {
  values.push(value);
  if (values.length > count) values.shift();
}

/** Of the straight line through values at 0, 1, 2, …, by least squares. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let products = 0;
  let squares = 0;
  for (const [index, value] of values.entries()) {
    products += (index - middle) * (value - mean);
    squares += (index - middle) ** 2;
  }
  return products / squares;
}
