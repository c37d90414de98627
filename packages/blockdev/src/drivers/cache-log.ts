import { EEXIST, EINVAL, EIO, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import type { BlockClaim } from '../claims.js';
import { NO_SLOT } from './cache-index.js';
import { type CacheLabel, decodeCacheLabel, encodeCacheLabel, LABEL_BYTES, newCacheLabel, shortened } from './cache-label.js';
import { LabelIo } from './cache-label-io.js';
import { CacheLogMap } from './cache-log-map.js';
import { MAP_PAGE_BYTES, mapPages } from './cache-map-page.js';
import type { CacheStore } from './cache-store.js';

/** Where lines begin: a multiple of this. */
const DATA_ALIGNMENT_BYTES = 65_536;

/** What is asked of a log that is to be opened, or made. */
export interface LogWish {
  readonly create: boolean;
  readonly deviceName: string;
  readonly dirtyMax: number;
}

/** The device on which a cache keeps what is dirty and was flushed: its label, its map, and how it is read again. */
export class CacheLog {
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  readonly label: CacheLabel;
  readonly map: CacheLogMap;

  private constructor(device: BlockDevice, claim: BlockClaim | null, label: CacheLabel) {
    this.device = device;
    this.claim = claim;
    this.label = label;
    this.map = new CacheLogMap(label.slots, Number.parseInt(label.uuid.slice(0, 8), 16));
  }

  /**
   * Opens a log, and brings what is in it into the cache, where it is dirty; or makes a new one.
   *
   * @throws SystemError EINVAL if there is none, or it is another device's, EEXIST if there is one and `create` is true, EIO if its map is damaged
   */
  static async open(device: BlockDevice, claim: BlockClaim | null, store: CacheStore, wish: LogWish): Promise<CacheLog> {
    const io = new LabelIo(device, claim);
    const found = decodeCacheLabel((await io.read(0, LABEL_BYTES)).bytes);
    if (wish.create) {
      if (found !== null) {
        const advice = 'open it without create, or overwrite its first 4096 bytes first';
        throw wrong(EEXIST, `it is the ${found.kind} of ${found.deviceName}: ${advice}`);
      }
      const label = planLabel(device, store, wish);
      await io.zero(LABEL_BYTES, mapPages(label.slots) * MAP_PAGE_BYTES);
      const buffer = IoBuffer.allocate(LABEL_BYTES);
      encodeCacheLabel(label, buffer.bytes);
      await io.write(0, buffer);
      return new CacheLog(device, claim, label);
    }
    if (found === null) throw wrong(EINVAL, 'there is no log on it: create: true makes one');
    checkOwner(found, store, wish);
    const log = new CacheLog(device, claim, found);
    await log.#load(io, store);
    return log;
  }

  /** Where a slot is. */
  offsetOf(slot: number): number {
    return this.label.dataOffset + slot * this.label.lineBytes;
  }

  async #load(io: LabelIo, store: CacheStore): Promise<void> {
    // A place is free if the map does not name it, which has to be so after a power failure too.
    await io.flush();
    for (let page = 0; page < mapPages(this.label.slots); page++) {
      if (this.map.decode(page, (await io.read(LABEL_BYTES + page * MAP_PAGE_BYTES, MAP_PAGE_BYTES)).bytes)) continue;
      throw wrong(EIO, `page ${page} of its map is damaged: nobody knows which lines it names`);
    }
    this.map.sealed();
    for (const [line, slot] of this.map.entries()) {
      const buffer = await io.read(this.offsetOf(slot), store.lineBytes);
      const into = store.index.reserve();
      if (into === NO_SLOT) throw wrong(EINVAL, `it holds ${this.map.count} lines, for which cacheBytes is too little`);
      store.copyIn(into, 0, buffer, 0, store.lengthOf(line));
      store.index.publish(into, line);
      store.index.setDirty(into);
      store.index.setLogged(into, true);
    }
  }
}

function planLabel(device: BlockDevice, store: CacheStore, { deviceName, dirtyMax }: LogWish): CacheLabel {
  const { lineBytes, sizeBytes: deviceBytes } = store;
  const room = device.limits.sizeBytes ?? Number.MAX_SAFE_INTEGER;
  // As many lines as can be dirty, and as many again that have been written back, and are not stable below yet.
  const slots = 2 * dirtyMax;
  const head = LABEL_BYTES + mapPages(slots) * MAP_PAGE_BYTES;
  const dataOffset = Math.ceil(head / DATA_ALIGNMENT_BYTES) * DATA_ALIGNMENT_BYTES;
  const needed = dataOffset + slots * lineBytes;
  if (room < needed) {
    const advice = 'make dirtyMaxBytes smaller, or cacheBytes, of which it is half unless you say otherwise';
    throw wrong(EINVAL, `it has ${room} bytes, and ${needed} are needed for twice dirtyMaxBytes and the map: ${advice}`);
  }
  return newCacheLabel({ kind: 'log', lineBytes, deviceBytes, deviceName, slots, dataOffset });
}

function checkOwner(found: CacheLabel, { lineBytes, sizeBytes }: CacheStore, { deviceName, dirtyMax }: LogWish): void {
  if (found.kind !== 'log') throw wrong(EINVAL, `it is the cache device of ${found.deviceName}: name it as cacheDevice`);
  if (found.deviceName !== shortened(deviceName)) {
    const advice = 'open it with that one, or say deviceName if it has another name now';
    throw wrong(EINVAL, `it is the log of ${found.deviceName}, and this device is ${shortened(deviceName)}: ${advice}`);
  }
  if (found.deviceBytes !== sizeBytes) {
    throw wrong(EINVAL, `it is the log of a device of ${found.deviceBytes} bytes, and this one has ${sizeBytes}`);
  }
  if (found.lineBytes !== lineBytes)
    throw wrong(EINVAL, `it has lines of ${found.lineBytes} bytes: say lineBytes: ${found.lineBytes}`);
  const most = (found.slots / 2) * lineBytes;
  if (dirtyMax * lineBytes > most) throw wrong(EINVAL, `it has room for a dirtyMaxBytes of ${most}`);
}

function wrong(errno: number, message: string): SystemError {
  return new SystemError(errno, 'openCache', undefined, `the log: ${message}`);
}
