import { EEXIST, EINVAL, EIO, ENOMEM, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import type { BlockClaim } from '../claims.js';
import { CacheDeviceLines } from './cache-device-core.js';
import { CacheDeviceMap } from './cache-device-map.js';
import { CacheIndex } from './cache-index.js';
import { type CacheLabel, decodeCacheLabel, encodeCacheLabel, LABEL_BYTES, newCacheLabel, shortened } from './cache-label.js';
import { LabelIo } from './cache-label-io.js';
import { MAP_PAGE_BYTES, mapPages } from './cache-map-page.js';

/** Where lines begin: a multiple of this. */
const DATA_ALIGNMENT_BYTES = 65_536;

/** What is asked of a cache device that is to be opened, or made. */
export interface CacheDeviceWish {
  readonly create: boolean;
  readonly deviceName: string;
  /** How large the device below is. */
  readonly deviceBytes: number;
  readonly lineBytes: number;
  /** How much it is to hold; undefined for what it does, or can. */
  readonly cacheBytes: number | undefined;
  /** Told how much it holds, before anything is written to it: throws if that does not go with what else is asked. */
  accept(cacheBytes: number): void;
}

/** What is on a cache device. */
export interface CacheDeviceContents {
  readonly lines: CacheDeviceLines;
  readonly map: CacheDeviceMap;
}

/**
 * Opens a cache device, whose map says which lines are dirty; or makes a new one.
 *
 * @throws SystemError EINVAL if there is none, it is another device's or has another shape, EEXIST if there is one and `create` is true, EIO if its
 * map is damaged
 */
export async function openCacheDevice(
  fast: BlockDevice,
  claim: BlockClaim | null,
  wish: CacheDeviceWish,
): Promise<CacheDeviceContents> {
  const io = new LabelIo(fast, claim);
  const found = decodeCacheLabel((await io.read(0, LABEL_BYTES)).bytes);
  const label = wish.create ? planLabel(fast, wish, found) : checkLabel(fast, wish, found);
  wish.accept(label.slots * label.lineBytes);
  const { lines, map } = makeContents(label);
  if (wish.create) await writeLabel(io, label);
  else await load(io, label, map);
  return { lines, map };
}

function makeContents(label: CacheLabel): CacheDeviceContents {
  try {
    const index = new CacheIndex(label.slots, true);
    const lines = new CacheDeviceLines(index, label.lineBytes, label.deviceBytes, label.dataOffset);
    return { lines, map: new CacheDeviceMap(index, Number.parseInt(label.uuid.slice(0, 8), 16)) };
  } catch (cause) {
    const what = `there is not so much memory for the index of ${label.slots} lines: make a new one with larger lineBytes, or smaller cacheBytes`;
    throw wrong(ENOMEM, what, cause);
  }
}

async function writeLabel(io: LabelIo, label: CacheLabel): Promise<void> {
  await io.zero(LABEL_BYTES, mapPages(label.slots) * MAP_PAGE_BYTES);
  const buffer = IoBuffer.allocate(LABEL_BYTES);
  encodeCacheLabel(label, buffer.bytes);
  await io.write(0, buffer);
}

async function load(io: LabelIo, label: CacheLabel, map: CacheDeviceMap): Promise<void> {
  // A slot is free if the map does not name it, which has to be so after a power failure too.
  await io.flush();
  for (let page = 0; page < mapPages(label.slots); page++) {
    if (map.decode(page, (await io.read(LABEL_BYTES + page * MAP_PAGE_BYTES, MAP_PAGE_BYTES)).bytes)) continue;
    throw wrong(EIO, `page ${page} of its map is damaged: nobody knows which lines it names`);
  }
  map.adopted();
}

function planLabel(fast: BlockDevice, wish: CacheDeviceWish, found: CacheLabel | null): CacheLabel {
  if (found !== null) {
    const advice = 'open it without create, or overwrite its first 4096 bytes first';
    throw wrong(EEXIST, `it is the ${found.kind} of ${found.deviceName}: ${advice}`);
  }
  const { cacheBytes, deviceBytes, deviceName, lineBytes } = wish;
  const room = fast.limits.sizeBytes ?? Number.MAX_SAFE_INTEGER;
  if (fast.limits.sizeBytes === null && cacheBytes === undefined)
    throw wrong(EINVAL, 'a device that grows has no end: say cacheBytes');
  const most = slotsIn(room, lineBytes);
  const slots = cacheBytes === undefined ? most : Math.floor(cacheBytes / lineBytes);
  if (most < 1)
    throw wrong(
      EINVAL,
      `it has ${room} bytes, and ${dataOffsetOf(1) + lineBytes} are needed for its label, its map and one line`,
    );
  if (slots > most) throw wrong(EINVAL, `it has ${room} bytes, which is enough for a cacheBytes of ${most * lineBytes}`);
  return newCacheLabel({ kind: 'cache device', lineBytes, deviceBytes, deviceName, slots, dataOffset: dataOffsetOf(slots) });
}

function dataOffsetOf(slots: number): number {
  const head = LABEL_BYTES + mapPages(slots) * MAP_PAGE_BYTES;
  return Math.ceil(head / DATA_ALIGNMENT_BYTES) * DATA_ALIGNMENT_BYTES;
}

/** How many lines a device has room for, behind the map that names them. */
function slotsIn(room: number, lineBytes: number): number {
  let slots = Math.min(SLOTS_MAX, Math.floor(room / lineBytes));
  while (slots > 0 && dataOffsetOf(slots) + slots * lineBytes > room) {
    slots -= Math.max(1, Math.ceil((dataOffsetOf(slots) + slots * lineBytes - room) / (lineBytes + DATA_ALIGNMENT_BYTES)));
  }
  return Math.max(0, slots);
}

/** What the index can count. */
const SLOTS_MAX = 2 ** 28;

function checkLabel(fast: BlockDevice, wish: CacheDeviceWish, found: CacheLabel | null): CacheLabel {
  if (found === null) throw wrong(EINVAL, 'there is no label of a cache on it: create: true makes one');
  if (found.kind !== 'cache device') throw wrong(EINVAL, `it is the log of ${found.deviceName}: name it as log`);
  const { cacheBytes, deviceBytes, lineBytes } = wish;
  const deviceName = shortened(wish.deviceName);
  if (found.deviceName !== deviceName) {
    const advice = 'open it with that one, or say deviceName if it has another name now';
    throw wrong(EINVAL, `it is the cache device of ${found.deviceName}, and this device is ${deviceName}: ${advice}`);
  }
  if (found.deviceBytes !== deviceBytes) {
    throw wrong(EINVAL, `it is the cache device of one of ${found.deviceBytes} bytes, and this one has ${deviceBytes}`);
  }
  if (found.lineBytes !== lineBytes)
    throw wrong(EINVAL, `it has lines of ${found.lineBytes} bytes: say lineBytes: ${found.lineBytes}`);
  const holds = found.slots * lineBytes;
  if (cacheBytes !== undefined && Math.floor(cacheBytes / lineBytes) !== found.slots)
    throw wrong(EINVAL, `it holds ${holds} bytes: say cacheBytes: ${holds}, or leave that out`);
  const needed = found.dataOffset + holds;
  const { sizeBytes } = fast.limits;
  if (sizeBytes !== null && sizeBytes < needed) throw wrong(EINVAL, `it has ${sizeBytes} bytes now, and had at least ${needed}`);
  return found;
}

function wrong(errno: number, message: string, cause?: unknown): SystemError {
  return new SystemError(errno, 'openCache', undefined, `the cache device: ${message}`, cause);
}
