/**
 * The bins of fio's latency histograms (stat.h: 29 groups of 2^6), so that what is counted here can be merged and plotted with what fio has
 * counted. A bin holds one value each below 128; above that its width is 1/64 of the power of two below it, and so its middle is at most 1/128
 * (0.78 %) away from any value in it.
 */

/** log2 of the bins in a group. */
const GROUP_BITS = 6;
const GROUP_BINS = 2 ** GROUP_BITS;
const GROUPS = 29;

/** How many bins there are. */
export const BIN_COUNT: number = GROUPS * GROUP_BINS;

/** The first value too large for a bin of its own size: 2^34 ns, about 17 s. What is larger is counted in the last bin. */
const BINNED_BELOW_NS: number = 2 ** (GROUPS + GROUP_BITS - 1);

/** Values of 2^31 and more do not fit the processor's fast integers; they are scaled down by 2^8 first. */
const SCALED_FROM = 2 ** 31;
const SCALE_BITS = 8;

/** The bin of a value in nanoseconds. Fractions are cut off, negative values belong to the first bin. */
export function binOf(valueNs: number): number {
  return valueNs < SCALED_FROM ? binOfInteger(valueNs | 0) : binOfLarge(valueNs);
}

/** What stands for all values of a bin: its middle as fio computes it, or the value itself where a bin holds one only. */
export function valueOfBin(bin: number): number {
  const shift = shiftOf(bin);
  return lowestOfBin(bin) + (shift === 0 ? 0 : 2 ** (shift - 1));
}

/** The least value of a bin. */
export function lowestOfBin(bin: number): number {
  const shift = shiftOf(bin);
  return (bin - shift * GROUP_BINS) * 2 ** shift;
}

/** How many of a value's low bits its bin does not tell. */
function shiftOf(bin: number): number {
  return Math.max(0, (bin >> GROUP_BITS) - 1);
}

function binOfInteger(value: number): number {
  if (value < GROUP_BINS) return value < 0 ? 0 : value;
  const shift = 31 - GROUP_BITS - Math.clz32(value);
  return shift * GROUP_BINS + (value >>> shift);
}

function binOfLarge(valueNs: number): number {
  const scaled = Math.floor(Math.min(valueNs, BINNED_BELOW_NS - 1) / 2 ** SCALE_BITS);
  return binOfInteger(scaled) + SCALE_BITS * GROUP_BINS;
}
