/** What repeated measurements of one thing say. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle of the values and how far they lie apart, or null if there are none. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = [...values].sort((a, b) => a - b);
  const min = sorted[0];
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return null;
  const middle = sorted.length / 2;
  const lower = sorted[Math.ceil(middle) - 1] as number;
  const upper = sorted[Math.floor(middle)] as number;
  return { median: (lower + upper) / 2, min, max };
}
