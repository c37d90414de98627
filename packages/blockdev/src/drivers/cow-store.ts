import { EEXIST, EINVAL, EIO, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE_ZEROES, BlockIo, type BlockOperation } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { EILSEQ } from '../errno.js';
import { runIo } from './child-device.js';
import { CowBitmap, MAP_PAGE_BYTES, mapPages } from './cow-bitmap.js';
import { COW_LABEL_BYTES, type CowLabel, decodeCowLabel, encodeCowLabel, fingerprint, newCowLabel } from './cow-label.js';

/** Where blocks begin: a multiple of this. */
const DATA_ALIGNMENT_BYTES = 65_536;

/** What is asked of an overlay that is to be opened, or made. */
export interface CowWish {
  readonly base: BlockDevice;
  readonly baseClaim: BlockClaim | null;
  readonly baseBytes: number;
  readonly create: boolean;
  readonly blockBytes: number;
  readonly checkBase: boolean;
}

/** The device that an overlay is kept on: its label, and its map. */
export class CowStore {
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;

  constructor(device: BlockDevice, claim: BlockClaim | null) {
    this.device = device;
    this.claim = claim;
  }

  /**
   * Opens the overlay, or makes a new one.
   *
   * @throws SystemError EINVAL if there is none, or it belongs to a base of another size; EILSEQ if the base has changed; EEXIST if there is
   * one, and `create` is true; EIO for a map that is damaged
   */
  async open(wish: CowWish): Promise<{ label: CowLabel; bitmap: CowBitmap }> {
    const found = await this.readLabel();
    if (!wish.create) {
      if (found === null) throw wrong(EINVAL, 'there is no overlay on it: create: true makes one');
      await this.#checkBase(found, wish);
      return { label: found, bitmap: await this.#readMap(found) };
    }
    if (found !== null)
      throw wrong(EEXIST, 'there is an overlay on it: open it without create, or overwrite its first 4096 bytes first');
    const label = await this.#make(wish);
    return { label, bitmap: bitmapOf(label, this.device) };
  }

  /** What stands at the beginning; null if there is no label. */
  async readLabel(): Promise<CowLabel | null> {
    const buffer = await this.#read(0, COW_LABEL_BYTES);
    return decodeCowLabel(buffer.bytes);
  }

  /** Writes a label, and makes it stable. */
  async writeLabel(label: CowLabel): Promise<void> {
    const buffer = IoBuffer.allocate(COW_LABEL_BYTES);
    encodeCowLabel(label, buffer.bytes);
    await this.#run(BLOCK_WRITE, 0, COW_LABEL_BYTES, buffer);
    await this.#run(BLOCK_FLUSH, 0, 0, null);
  }

  /** Forgets all blocks: the map is zeros, and stable, afterwards. */
  async clearMap(label: CowLabel): Promise<void> {
    const pages = mapPages(Math.ceil(label.baseBytes / label.blockBytes));
    await this.#run(BLOCK_WRITE_ZEROES, COW_LABEL_BYTES, pages * MAP_PAGE_BYTES, null);
    await this.#run(BLOCK_FLUSH, 0, 0, null);
  }

  async #make({ base, baseClaim, baseBytes, blockBytes }: CowWish): Promise<CowLabel> {
    const blocks = Math.ceil(baseBytes / blockBytes);
    const head = COW_LABEL_BYTES + mapPages(blocks) * MAP_PAGE_BYTES;
    const dataOffset = Math.ceil(head / DATA_ALIGNMENT_BYTES) * DATA_ALIGNMENT_BYTES;
    const { sizeBytes } = this.device.limits;
    if (sizeBytes !== null && sizeBytes < dataOffset + baseBytes) {
      throw wrong(
        EINVAL,
        `it has ${sizeBytes} bytes and needs ${dataOffset + baseBytes}: a file that grows takes room for what is written alone`,
      );
    }
    const label = newCowLabel({ blockBytes, baseBytes, dataOffset, fingerprint: await fingerprint(base, baseClaim, baseBytes) });
    // What was there before must not be taken for a part of the map, and there is no map before there is a label.
    await this.clearMap(label);
    await this.writeLabel(label);
    return label;
  }

  async #checkBase(label: CowLabel, { base, baseBytes, baseClaim, checkBase }: CowWish): Promise<void> {
    if (label.baseBytes !== baseBytes) {
      throw wrong(EINVAL, `it lies over a base of ${label.baseBytes} bytes, and this one has ${baseBytes}`);
    }
    // Somebody was in the middle of changing the base, by this overlay.
    if (!checkBase || label.committing) return;
    if ((await fingerprint(base, baseClaim, baseBytes)) === label.fingerprint) return;
    throw wrong(
      EILSEQ,
      'the base has changed since the overlay was made, so that the two do not belong together: checkBase: false opens them all the same',
    );
  }

  async #readMap(label: CowLabel): Promise<CowBitmap> {
    const bitmap = bitmapOf(label, this.device);
    const pages = mapPages(Math.ceil(label.baseBytes / label.blockBytes));
    for (let page = 0; page < pages; page++) {
      const buffer = await this.#read(COW_LABEL_BYTES + page * MAP_PAGE_BYTES, MAP_PAGE_BYTES);
      if (bitmap.decode(page, buffer.bytes)) continue;
      throw wrong(EIO, `page ${page} of its map is damaged: nobody knows which blocks it names`);
    }
    return bitmap;
  }

  /** Behind the end of a file that grows are zeros. */
  async #read(offset: number, lengthBytes: number): Promise<IoBuffer> {
    const buffer = IoBuffer.allocate(lengthBytes);
    await this.#run(BLOCK_READ, offset, lengthBytes, buffer);
    return buffer;
  }

  #run(operation: BlockOperation, offset: number, lengthBytes: number, buffer: IoBuffer | null): Promise<void> {
    const io = Object.assign(new BlockIo(), { operation, offset, lengthBytes, buffer, claim: this.claim });
    return runIo(this.device, io, 'openCow');
  }
}

function bitmapOf({ baseBytes, blockBytes, dataOffset, uuid }: CowLabel, device: BlockDevice): CowBitmap {
  return new CowBitmap(device, Math.ceil(baseBytes / blockBytes), blockBytes, dataOffset, Number.parseInt(uuid.slice(0, 8), 16));
}

function wrong(errno: number, message: string): SystemError {
  return new SystemError(errno, 'openCow', undefined, `the overlay: ${message}`);
}
