import { type BlockLimits, isPowerOfTwo } from './limits.js';

type AtomicLimits = Required<Pick<BlockLimits, 'atomicWriteMinBytes' | 'atomicWriteMaxBytes'>>;

const NONE: AtomicLimits = { atomicWriteMinBytes: 0, atomicWriteMaxBytes: 0 };
/** The longest transfer that a driver has by default. */
const LONGEST: AtomicLimits = { atomicWriteMinBytes: 1, atomicWriteMaxBytes: 2 ** 30 };

/**
 * How long atomic writes may be on a device over others: as all of those take them. A write lies at a multiple of its length; so that it does on the device
 * below too, and on one alone, each number in `places` is a multiple of the longest.
 *
 * @param devices the limits of those below; none for a device that has no limit by itself
 */
export function atomicLimits(
  devices: readonly AtomicLimits[],
  blockSizeBytes: number,
  places: readonly number[] = [],
): AtomicLimits {
  if (!isPowerOfTwo(blockSizeBytes)) return NONE;
  const all = [LONGEST, ...devices];
  const least = Math.max(blockSizeBytes, ...all.map(({ atomicWriteMinBytes }) => atomicWriteMinBytes));
  const most = Math.min(...all.map(({ atomicWriteMaxBytes }) => atomicWriteMaxBytes), ...places.map(powerOfTwoIn));
  return most >= least ? { atomicWriteMinBytes: least, atomicWriteMaxBytes: most } : NONE;
}

/** The largest power of two that divides a number below 2^53; of 0, which all divide, no limit. */
function powerOfTwoIn(value: number): number {
  let power = 1;
  while (power < LONGEST.atomicWriteMaxBytes && value % (power * 2) === 0) power *= 2;
  return power;
}
