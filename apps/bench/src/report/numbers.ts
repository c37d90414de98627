/** What stands where there is no number. */
export const NOTHING = '-';

/** A whole number with commas: `1,234,567`. */
export function whole(value: number | null): string {
  return value === null ? NOTHING : Math.round(value).toLocaleString('en-US');
}

/** Three digits, as many as a measured number is worth. */
export function short(value: number | null): string {
  if (value === null) return NOTHING;
  if (value >= 100) return whole(value);
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** The least and the most, in parentheses. */
export function range(min: number | null, max: number | null): string {
  return min === null || max === null ? NOTHING : `(${whole(min)}–${whole(max)})`;
}

/** A factor: `1.25×`. */
export function factor(value: number | null): string {
  return value === null ? NOTHING : `${value.toFixed(2)}×`;
}

/** A share from 0 to 1 as whole percents. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A time in the unit that fits: `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`. */
export function duration(nanoseconds: number | null): string {
  if (nanoseconds === null) return NOTHING;
  if (nanoseconds < 1e3) return `${Math.round(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${short(nanoseconds / 1e3)} µs`;
  if (nanoseconds < 1e9) return `${short(nanoseconds / 1e6)} ms`;
  return `${short(nanoseconds / 1e9)} s`;
}
