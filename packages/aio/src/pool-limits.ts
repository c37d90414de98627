import { checkNames } from './check-names.js';
import { checkInteger, outOfRange } from './errors.js';

/** What a pool takes at most: see the options of these names. */
export interface PoolLimits {
  readonly depth: number;
  readonly inFlightMax: number;
  readonly bytesMax: number;
}

/** The deepest that a pool can be. */
const DEPTH_MAX = 65536;

/** @throws RangeError ERR_OUT_OF_RANGE */
export function checkLimits({ depth, inFlightMax, bytesMax }: PoolLimits): void {
  checkInteger('depth', depth, 1, DEPTH_MAX);
  checkInteger('inFlightMax', inFlightMax, 1, depth);
  if (typeof bytesMax !== 'number' || !(bytesMax >= 1)) throw outOfRange('bytesMax', '>= 1, or Infinity', bytesMax);
}

/** The limits of a pool, and what was asked for. */
export interface PoolLimitsHeld extends PoolLimits {
  /** The `inFlightMax` that was asked for; Infinity for as many as there can be, which is what all of `depth` means. */
  readonly inFlightWish: number;
}

/** What who gives these limits asks for: see {@link PoolLimitsHeld}. */
export function inFlightWishOf({ inFlightMax, depth }: PoolLimits): number {
  return inFlightMax === depth ? Number.POSITIVE_INFINITY : inFlightMax;
}

/**
 * The limits of a pool that are changed in part. Where `inFlightMax` is not given, it is what was asked for last, as far as `depth` allows it.
 *
 * @param startedMax how many operations who serves the pool can have at a time
 * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
 */
export function changeLimits(now: PoolLimitsHeld, asked: Partial<PoolLimits>, startedMax: number): PoolLimitsHeld {
  checkNames('configure', asked, ['depth', 'inFlightMax', 'bytesMax']);
  const { depth = now.depth, bytesMax = now.bytesMax } = asked;
  const limits = { depth, bytesMax, inFlightMax: asked.inFlightMax ?? Math.min(now.inFlightWish, depth, startedMax) };
  checkLimits(limits);
  if (limits.inFlightMax > startedMax) {
    const range = `at most ${startedMax}, for which the pool's service threads were made`;
    throw outOfRange('inFlightMax', range, limits.inFlightMax);
  }
  const inFlightWish = asked.inFlightMax === undefined ? now.inFlightWish : inFlightWishOf(limits);
  return { ...limits, inFlightWish };
}
