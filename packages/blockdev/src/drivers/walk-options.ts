import { checkOptions, type OptionKinds } from '../check-options.js';
import { checkInteger, invalidType } from '../errors.js';

/** What a rebuild or a scrub can be told, of a mirror or a raid. */
interface WalkOptions {
  readonly pieceBytes?: number;
  readonly bytesPerSecond?: number;
  readonly signal?: AbortSignal;
}

/** Options of what goes through all of a raid. */
export const RAID_WALK_OPTIONS: OptionKinds = { bytesPerSecond: 'number', onProgress: 'function', signal: 'object' };

/** Options of a mirror's rebuild. */
export const MIRROR_WALK_OPTIONS: OptionKinds = { ...RAID_WALK_OPTIONS, pieceBytes: 'number' };

/**
 * Checks the options of a call before anything is done: a component that has been taken out for a call that is refused would be missing.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE, ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
 */
export function checkWalkOptions(call: string, options: WalkOptions, kinds: OptionKinds): void {
  checkOptions(call, options, kinds);
  const { pieceBytes, bytesPerSecond, signal } = options;
  if (pieceBytes !== undefined) checkInteger('pieceBytes', pieceBytes, 1, 2 ** 30);
  if (bytesPerSecond !== undefined && bytesPerSecond !== Number.POSITIVE_INFINITY)
    checkInteger('bytesPerSecond', bytesPerSecond, 1);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidType('options.signal', 'an AbortSignal', signal);
}
