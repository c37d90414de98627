import { type BatchClock, COARSE_MS } from '@biodone/blockdev';

/** After so many microseconds the clock's 32-bit times come again. */
const WRAP_US = 2 ** 32;
/** The longest time that statistics tell from longer ones: 35 minutes and 47 seconds. */
const COUNTED_MAX_US = 2 ** 31 - 1;

/** How many microseconds have passed, by the clock's last reading, since it was at `us` and `coarse`. Never below 0. */
export function elapsedUs(clock: BatchClock, us: number, coarse: number): number {
  const lowUs = (clock.us - us) >>> 0;
  // At most one unit off, which is a quarter of the time after which the other one comes again.
  const roughUs = (clock.coarse - coarse) * COARSE_MS * 1000;
  return Math.max(0, lowUs + Math.round((roughUs - lowUs) / WRAP_US) * WRAP_US);
}

/** As {@link elapsedUs}, for statistics: a 31-bit number. */
export function countedUs(clock: BatchClock, us: number, coarse: number): number {
  return Math.min(elapsedUs(clock, us, coarse), COUNTED_MAX_US);
}
