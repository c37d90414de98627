import { type Measurement, type Quantity, type Series, sumOf } from './results.js';
import { type Spread, spreadOf } from './spread.js';

/** The ratio of two series, repeat by repeat: what slows the machine down for a while then meets both sides. */
export function ratioOf(upper: Series, lower: Series, quantity: Quantity): Spread | null {
  const ratios: number[] = [];
  for (const repeat of upper.repeats.keys()) {
    const above = upper.slicesOf(repeat);
    const below = lower.slicesOf(repeat);
    if (below.length > 0) ratios.push(ratioOfRepeat(above, below, quantity));
  }
  return spreadOf(ratios);
}

/**
 * Engines that took turns are compared turn by turn: a turn that something else on the machine has spoiled then moves the median little,
 * where it would have moved the sum a lot.
 */
function ratioOfRepeat(above: readonly Measurement[], below: readonly Measurement[], quantity: Quantity): number {
  const turns = above.length === below.length ? above : [sumOf(above)];
  const others = above.length === below.length ? below : [sumOf(below)];
  const ratios = turns.map((turn, index) => quantity(turn) / quantity(others[index] as Measurement));
  return spreadOf(ratios)?.median ?? Number.NaN;
}
