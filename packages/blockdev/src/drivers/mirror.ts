import { randomBytes } from 'node:crypto';
import { EINVAL, EROFS, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice, BlockDeviceOptions } from '../block-device.js';
import { BlockIo } from '../block-io.js';
import { checkDeviceList, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import type { BlockClaim } from '../claims.js';
import { checkDevices, commonLimits, floorTo, sizeOfChild } from '../stack-children.js';
import { type Assembly, assemble, checkUnlabelled, type FoundLabel } from './mirror-assembly.js';
import { MirrorDevice } from './mirror-device.js';
import { MirrorHalf } from './mirror-half.js';
import { decodeLabel, HALVES_MAX, LABEL_BYTES, labelOffset } from './mirror-label.js';

/** Options of {@link openMirror}. */
export interface MirrorOptions extends BlockDeviceOptions {
  /**
   * Makes a new mirror of devices that are no halves yet: the first one's contents are the mirror's, and are copied to the others.
   * @default false
   */
  create?: boolean;
  /**
   * Says, of a new mirror, that all devices have the same contents already: nothing is copied.
   * @default false
   */
  halvesAreEqual?: boolean;
  /**
   * Whether the last 4096 bytes of each half say what it is and which halves were good when it was written. Without them nobody finds out
   * that a half is old: all devices that are given are good then, and it is the caller's to know better.
   * @default true
   */
  labels?: boolean;
  /**
   * Goes on although a half is missing that was good when these were last written. It may have been used without these, and be newer. The labels
   * stay as they are until the first write, so that looking does no harm.
   * @default false
   */
  degraded?: boolean;
  /**
   * Whether halves that are to be copied to, or made equal after a crash, are so from the opening on.
   * @default true
   */
  autoRebuild?: boolean;
  /** Whether closing the mirror closes the halves. @default true */
  closeChildren?: boolean;
  /** How many requests are under way at a time; the others wait in line. @default 1024 */
  childrenMax?: number;
}

/**
 * Devices that hold the same data, as one: RAID level 1, as BSD's raid(4). A read goes to one half, and on to the others if it fails; a write
 * goes to all. A half that fails is taken out, and nobody sees an error while another one is left. {@link MirrorDevice.replace} puts a new
 * one in its place while the mirror is in use.
 *
 * The halves have labels: a half that has missed something is not used when the mirror is opened again. The devices are claimed. If the
 * mirror was not closed the last time, the halves are made equal again; until that is done, reads go to one of them.
 *
 * @param devices the halves, in any order once they have labels; null where one is missing
 * @throws TypeError ERR_INVALID_ARG_VALUE for too few devices, or the same one twice; SystemError EINVAL for devices that grow, are too small
 * for a label, have none (and `create` is false) or belong to different mirrors, EEXIST if they have one and EROFS for one that is open
 * for reading alone (and `create` is true), EBUSY if somebody has claimed one of them, or they have been used apart from each
 * other, ENODEV if a half is missing that may be newer
 *
 * @example
 * ```js
 * import { openMem, openMirror } from '@biodone/blockdev';
 *
 * const mirror = await openMirror([openMem(65536), openMem(65536)], { create: true, halvesAreEqual: true });
 * console.log(mirror.device.limits.sizeBytes, mirror.halves().map(({ state }) => state)); // 61440 [ 'good', 'good' ]
 * mirror.fail(0);
 * await mirror.replace(0, openMem(65536));
 * console.log(mirror.halves()[0].state); // good
 * await mirror.close();
 * ```
 */
export async function openMirror(devices: readonly (BlockDevice | null)[], options: MirrorOptions = {}): Promise<MirrorDevice> {
  checkDeviceList(devices, 'mirror', true);
  checkOptions('openMirror', options, MIRROR_OPTIONS);
  const present = devices.filter((device) => device !== null);
  checkDevices(present, 0, 'mirror');
  if (present.length === 0) throw wrongCount('at least one half that is there');
  if (devices.length > HALVES_MAX) throw wrongCount(`at most ${HALVES_MAX} halves`);
  const { labels = true, create = false } = options;
  if (create && (devices.length < 2 || present.length < devices.length))
    throw wrongCount('at least two halves, all of them there, to be made');
  const readOnly = present.findIndex(({ capabilities }) => capabilities.readOnly);
  if (create && readOnly >= 0)
    throw new SystemError(EROFS, 'mirror', undefined, `device ${readOnly} is open for reading alone: a new mirror writes to all`);
  const blockSize = commonLimits(present).blockSizeBytes;
  if (labels && LABEL_BYTES % blockSize !== 0) {
    throw new SystemError(
      EINVAL,
      'mirror',
      undefined,
      `blocks of ${blockSize} bytes are too large for labels: say labels: false`,
    );
  }
  const claims = claimAll(devices);
  try {
    const assembly = labels ? await assembleLabelled(devices, claims, create, options) : assembleUnlabelled(devices, blockSize);
    const halves = assembly.halves.map(({ device, state, reason }, index) => {
      const on = device === null ? null : (devices[device] ?? null);
      return new MirrorHalf(index, on, device === null ? null : (claims[device] ?? null), state, reason);
    });
    const mirror = new MirrorDevice(halves, { ...assembly, labels }, options);
    await mirror.begin();
    return mirror;
  } catch (error) {
    for (const claim of claims) claim?.release();
    throw error;
  }
}

const MIRROR_OPTIONS: OptionKinds = {
  ...STACK_OPTIONS,
  create: 'boolean',
  halvesAreEqual: 'boolean',
  labels: 'boolean',
  degraded: 'boolean',
  autoRebuild: 'boolean',
};

async function assembleLabelled(
  devices: readonly (BlockDevice | null)[],
  claims: readonly (BlockClaim | null)[],
  create: boolean,
  { degraded = false, halvesAreEqual = false }: MirrorOptions,
): Promise<Assembly> {
  for (const device of devices) if (device !== null) checkRoom(device);
  const found = await Promise.all(
    devices.map((device, index) => (device === null ? null : readLabel(device, claims[index] ?? null))),
  );
  if (!create) return assemble(found, degraded);
  checkUnlabelled(found);
  const dataBytes = Math.min(...devices.map((device) => labelOffset(device?.limits.sizeBytes ?? 0)));
  const rest = halvesAreEqual ? 'good' : 'rebuilding';
  const halves = devices.map((_, device) => ({ device, state: device === 0 ? 'good' : rest, reason: null }) as const);
  return { uuid: randomBytes(16).toString('hex'), generation: 0, dataBytes, halves };
}

function assembleUnlabelled(devices: readonly (BlockDevice | null)[], blockSizeBytes: number): Assembly {
  const sizes = devices.flatMap((device) => (device === null ? [] : [sizeOfChild(device, 'mirror')]));
  const halves = devices.map((device, index) =>
    device === null
      ? ({ device: null, state: 'failed', reason: 'missing' } as const)
      : ({ device: index, state: 'good', reason: null } as const),
  );
  return { uuid: '', generation: 0, dataBytes: floorTo(Math.min(...sizes), blockSizeBytes), halves };
}

function checkRoom(device: BlockDevice): void {
  if (labelOffset(sizeOfChild(device, 'mirror')) > 0) return;
  throw new SystemError(
    EINVAL,
    'mirror',
    undefined,
    `a half takes at least ${2 * LABEL_BYTES} bytes, of which ${LABEL_BYTES} are its label`,
  );
}

/** What stands at the end of a device. What cannot be read is no label: the half is not used then. */
function readLabel(device: BlockDevice, claim: BlockClaim | null): Promise<FoundLabel> {
  const io = new BlockIo();
  const buffer = IoBuffer.allocate(LABEL_BYTES);
  io.buffer = buffer;
  io.offset = labelOffset(device.limits.sizeBytes ?? 0);
  io.lengthBytes = LABEL_BYTES;
  io.claim = claim;
  return new Promise((resolve) => {
    io.iodone = () => resolve((io.error === 0 && io.transferredBytes === LABEL_BYTES && decodeLabel(buffer.bytes)) || 'none');
    device.strategy(io);
  });
}

function claimAll(devices: readonly (BlockDevice | null)[]): (BlockClaim | null)[] {
  const claims: (BlockClaim | null)[] = [];
  try {
    for (const device of devices) claims.push(claimHalf(device));
    return claims;
  } catch (error) {
    for (const claim of claims) claim?.release();
    throw error;
  }
}

/** A mirror writes to its halves; others may read them. */
function claimHalf(device: BlockDevice | null): BlockClaim | null {
  return device === null || device.capabilities.readOnly ? null : device.claim('read-many-write-one');
}

function wrongCount(what: string): TypeError {
  return Object.assign(new TypeError(`a mirror needs ${what}`), { code: 'ERR_INVALID_ARG_VALUE' });
}
