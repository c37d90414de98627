import { randomBytes } from 'node:crypto';
import { EINVAL, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_WRITE_ZEROES, BlockIo } from '../block-io.js';
import { checkInteger, outOfRange } from '../errors.js';
import { commonLimits } from '../stack-children.js';
import { runIo } from './child-device.js';
import { checkUnlabelled, type FoundDevice, type RaidAssembly } from './raid-assembly.js';
import { REGIONS_MAX } from './raid-bitmap-block.js';
import type { RaidLevel } from './raid-geometry.js';
import { bitmapOffset, COMPONENT_GOOD, COMPONENTS_MAX } from './raid-label.js';
import type { RaidSlot } from './raid-member.js';
import type { RaidSet } from './raid-set.js';
import { REGION_CLEAN, REGION_MARKED } from './raid-state.js';

/** What a new array is made with; see `RaidOptions`. */
interface NewRaidOptions {
  level?: RaidLevel;
  stripeBytes?: number;
  regionBytes?: number;
  force?: boolean;
}

const STRIPE_UNIT = 512;
const STRIPE_MAX = 4 * 2 ** 20;

/** The assembly of a new array. */
export function createAssembly(
  devices: readonly (BlockDevice | null)[],
  found: readonly FoundDevice[],
  options: NewRaidOptions,
): RaidAssembly {
  const { level = 5, force = false, regionBytes = 16 * 2 ** 20 } = options;
  if (level !== 0 && level !== 1 && level !== 5) throw outOfRange('level', '0, 1 or 5', level);
  const present = devices.filter((device) => device !== null);
  if (present.length < devices.length) throw wrongCount('all of its devices, to be made');
  const least = { 0: 1, 1: 2, 5: 3 }[level];
  if (present.length < least) throw wrongCount(`at least ${least} devices on level ${level}`);
  if (level === 1 && present.length > 2) throw wrongCount('two devices on level 1; a mirror of more is openMirror()');
  if (present.length > COMPONENTS_MAX) throw wrongCount(`at most ${COMPONENTS_MAX} devices`);
  if (!force) checkUnlabelled(found);
  const stripeBytes = checkStripe(options, level, commonLimits(present).blockSizeBytes);
  const rows = Math.floor(Math.min(...present.map((device) => bitmapOffset(device.limits.sizeBytes ?? 0))) / stripeBytes);
  if (rows < 1) throw invalid(`the smallest device has no room for a stripe of ${stripeBytes} bytes`);
  if (rows >= 2 ** 31) throw outOfRange('stripeBytes', `larger: there would be ${rows} rows, and 2^31 - 1 can be`, stripeBytes);
  checkInteger('regionBytes', regionBytes, 1);
  const regionRows = Math.max(1, Math.ceil(rows / REGIONS_MAX), Math.floor(regionBytes / stripeBytes));
  const components = present.map((_, slot) => ({ slot, state: COMPONENT_GOOD, rebuiltRows: 0, reason: null }));
  return {
    label: { uuid: randomBytes(16).toString('hex'), generation: 0, level, stripeBytes, rows, regionRows, role: 0, components },
    components,
    spares: found.filter(({ isSpare }) => isSpare).map(({ slot }) => slot),
    isChanged: true,
    isForced: false,
  };
}

function checkStripe({ stripeBytes = 65536 }: NewRaidOptions, level: RaidLevel, blockSizeBytes: number): number {
  checkInteger('stripeBytes', stripeBytes, STRIPE_UNIT, level === 0 ? 2 ** 30 : STRIPE_MAX);
  if (stripeBytes % STRIPE_UNIT !== 0 || stripeBytes % blockSizeBytes !== 0) {
    throw outOfRange('stripeBytes', `a multiple of ${STRIPE_UNIT} and of the block size, ${blockSizeBytes} bytes`, stripeBytes);
  }
  return stripeBytes;
}

/** Makes the parity of a new array right: all zeros go together. What cannot be made so at once is left to a resync. */
export async function makeParityRight(set: RaidSet, assumeClean: boolean): Promise<void> {
  if (assumeClean) return;
  const { geometry, state } = set;
  const devices = set.members.map(({ slot }) => slot as RaidSlot);
  if (devices.every(({ device }) => device.capabilities.zeroes === 'fast')) {
    for (const { device, claim } of devices) {
      const io = new BlockIo();
      io.operation = BLOCK_WRITE_ZEROES;
      io.lengthBytes = geometry.rows * geometry.stripeBytes;
      io.claim = claim;
      await runIo(device, io, 'raid');
      // Before the labels: they would call a parity right of which a power cut has left a part.
      const flush = new BlockIo();
      flush.operation = BLOCK_FLUSH;
      flush.claim = claim;
      await runIo(device, flush, 'raid');
    }
    return;
  }
  for (let region = 0; region < state.regions; region++) {
    state.setUnknown(region, true);
    state.setMark(region, REGION_CLEAN, REGION_MARKED);
  }
}

function wrongCount(what: string): TypeError {
  return Object.assign(new TypeError(`a raid needs ${what}`), { code: 'ERR_INVALID_ARG_VALUE' });
}

function invalid(message: string): SystemError {
  return new SystemError(EINVAL, 'raid', undefined, message);
}
