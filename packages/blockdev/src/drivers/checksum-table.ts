import { IoBuffer } from '@biodone/uring';
import { type BlockDigest, bindHigh, bindLow } from './checksum-digest.js';
import type { ChecksumLayout } from './checksum-layout.js';

// A page's header, in words of 32 bits: its digest, its number, and when it was last written. Entries follow.
const DIGEST_LOW = 0;
const DIGEST_HIGH = 1;
const NUMBER = 2;
const WRITTEN_IN = 3;
const HEADER_WORDS = 4;

// What a frame is: free to be used for another page, in the middle of being read or written, or changed and not written yet.
const FREE = 0;
const BUSY = 1;
const CHANGED = 2;

/** Words of an entry: the digest of the block, in which generation that was, and the lower half of the digest before it, not bound. */
const ENTRY_WORDS = 4;
export const ENTRY_HIGH = 1;
export const ENTRY_GENERATION = 2;
export const ENTRY_BEFORE = 3;

/** The generation of a block that was never written, and reads as zeros. */
export const NEVER_WRITTEN = 0;

/** The generation of a block of which nobody knows any more what it should be: that of a page that was damaged. */
export const LOST = -1;

/**
 * What every block should be: pages of the table in memory, as many as there are frames for. Which page is in which frame, and what each page was
 * like when it was last seen, is known for all pages: 8 bytes each.
 */
export class ChecksumTable {
  /** The frames, as words. */
  readonly words: Int32Array;
  /**
   * The digests alone, not bound, two words a block: what reads look at. It is half as long as the frames, and reads of random blocks find more of it in the
   * processor's cache. Two zeros are a block that was never written; {@link LOST} in both, one that is lost.
   */
  readonly expected: Int32Array;
  readonly memory: IoBuffer;
  readonly #layout: ChecksumLayout;
  readonly #digest: BlockDigest;
  readonly #salt: number;
  readonly #wordsPerPage: number;
  readonly #frameCount: number;
  readonly #entriesPerPage: number;
  /** For {@link pageOf}: a multiplication takes a fraction of a division's time. */
  readonly #pagesPerEntry: number;
  /** By page: one more than its frame, 0 for none. */
  readonly #frames: Int32Array;
  /** By page: half of its digest, when it was last read or written; 0 if it never was. */
  readonly #seen: Int32Array;
  /** By frame. */
  readonly #pages: Int32Array;
  readonly #used: Uint8Array;
  readonly #state: Uint8Array;
  #hand = 0;

  constructor(layout: ChecksumLayout, digest: BlockDigest, salt: number, frameCount: number) {
    this.#layout = layout;
    this.#digest = digest;
    this.#salt = salt;
    this.#frameCount = Math.min(frameCount, layout.pageCount);
    this.#wordsPerPage = layout.pageBytes / 4;
    this.#entriesPerPage = layout.entriesPerPage;
    this.#pagesPerEntry = 1 / layout.entriesPerPage;
    this.memory = IoBuffer.allocate(this.#frameCount * layout.pageBytes);
    this.words = new Int32Array(this.memory.bytes.buffer, this.memory.bytes.byteOffset, this.memory.lengthBytes / 4);
    this.expected = new Int32Array(2 * this.#frameCount * layout.entriesPerPage);
    this.#frames = new Int32Array(layout.pageCount);
    this.#seen = new Int32Array(layout.pageCount);
    this.#pages = new Int32Array(this.#frameCount).fill(-1);
    this.#used = new Uint8Array(this.#frameCount);
    this.#state = new Uint8Array(this.#frameCount);
  }

  pageOf(block: number): number {
    // From the middle of an entry, so that what is rounded never reaches another page's first: there are at most 2^31 blocks.
    return ((block + 0.5) * this.#pagesPerEntry) | 0;
  }

  /** Where the entry of a block is in {@link words}; -1 if its page is not in memory. */
  entry(block: number): number {
    const page = this.pageOf(block);
    const frame = (this.#frames[page] as number) - 1;
    if (frame < 0) return -1;
    this.#used[frame] = 1;
    return frame * this.#wordsPerPage + HEADER_WORDS + (block - page * this.#entriesPerPage) * ENTRY_WORDS;
  }

  /** Where the digest of a block is in {@link expected}; -1 if its page is not in memory. */
  digestAt(block: number): number {
    const page = this.pageOf(block);
    const frame = (this.#frames[page] as number) - 1;
    if (frame < 0) return -1;
    if (this.#used[frame] === 0) this.#used[frame] = 1;
    return 2 * ((frame - page) * this.#entriesPerPage + block);
  }

  /** An entry has changed. */
  expect(block: number): void {
    const { words, expected } = this;
    const word = this.entry(block);
    const at = this.digestAt(block);
    const generation = words[word + ENTRY_GENERATION] as number;
    const isKnown = generation !== NEVER_WRITTEN && generation !== LOST;
    // The generations that have a meaning of their own are what stands there for it.
    expected[at] = isKnown ? bindLow(words[word] as number, block + this.#salt, generation) : generation;
    expected[at + 1] = isKnown ? bindHigh(words[word + ENTRY_HIGH] as number, block + this.#salt, generation) : generation;
  }

  /** Whether some other block whose page is in memory should be what has this digest. It looks at all of them: for what is rare. */
  hasElsewhere(block: number, low: number, high: number): boolean {
    const own = this.digestAt(block);
    const { expected } = this;
    for (let frame = 0; frame < this.#frameCount; frame++) {
      if ((this.#pages[frame] as number) < 0) continue;
      const end = 2 * (frame + 1) * this.#entriesPerPage;
      for (let at = 2 * frame * this.#entriesPerPage; at < end; at += 2) {
        if (expected[at] === low && expected[at + 1] === high && at !== own) return true;
      }
    }
    return false;
  }

  isLoaded(page: number): boolean {
    return this.#frames[page] !== 0;
  }

  /** A frame that a page can be read into: one that was not used lately. -1 if all have something that is not written yet. */
  takeFrame(): number {
    for (let left = 2 * this.#frameCount; left > 0; left--) {
      const frame = this.#hand;
      this.#hand = frame + 1 === this.#frameCount ? 0 : frame + 1;
      if (this.#state[frame] !== FREE) continue;
      if (this.#used[frame] !== 0) {
        this.#used[frame] = 0;
        continue;
      }
      const page = this.#pages[frame] as number;
      if (page >= 0) this.#frames[page] = 0;
      this.#pages[frame] = -1;
      // Nobody else gets it until it is given back or has its page.
      this.#state[frame] = BUSY;
      return frame;
    }
    return -1;
  }

  giveBack(frame: number): void {
    this.#state[frame] = FREE;
  }

  frameOffset(frame: number): number {
    return frame * this.#layout.pageBytes;
  }

  pageOffset(page: number): number {
    return this.#layout.tableOffset + page * this.#layout.pageBytes;
  }

  /** Takes a page that was read into a frame. False if it is not what was written last to that place. */
  accept(page: number, frame: number): boolean {
    this.#state[frame] = FREE;
    const base = frame * this.#wordsPerPage;
    const low = this.words[base + DIGEST_LOW] as number;
    const { words } = this;
    const address = page + this.#salt;
    const generation = words[base + WRITTEN_IN] as number;
    this.#digest.without(this.memory, this.frameOffset(frame), this.#layout.pageBytes, DIGEST_LOW, HEADER_WORDS);
    const isRight =
      words[base + NUMBER] === page &&
      low === bindLow(this.#digest.low, address, generation) &&
      words[base + DIGEST_HIGH] === bindHigh(this.#digest.high, address, generation);
    const seen = this.#seen[page] as number;
    if (!isRight || (seen !== 0 && seen !== (low | 1))) return false;
    this.#put(page, frame);
    return true;
  }

  /** Makes a page of which nothing is known but that it was lost, or, if it is new, that no block was ever written. */
  make(page: number, frame: number, generation: number): void {
    const base = frame * this.#wordsPerPage;
    this.words.fill(0, base, base + this.#wordsPerPage);
    for (let word = base + HEADER_WORDS; word < base + this.#wordsPerPage; word += ENTRY_WORDS) {
      this.words[word + ENTRY_GENERATION] = generation;
    }
    this.#state[frame] = FREE;
    this.#put(page, frame);
  }

  /** The entries of a page have changed: it stays in memory until it is written. */
  change(page: number): void {
    this.#state[(this.#frames[page] as number) - 1] = CHANGED;
  }

  /** The frame of a page that is to be written, and is from now on; -1 if it is written already, or is being. */
  beginWrite(page: number): number {
    const frame = (this.#frames[page] as number) - 1;
    if (frame < 0 || this.#state[frame] !== CHANGED) return -1;
    this.#state[frame] = BUSY;
    return frame;
  }

  endWrite(frame: number, isWritten: boolean): void {
    this.#state[frame] = isWritten ? FREE : CHANGED;
  }

  /** Gives a page its header, before it is written. */
  seal(frame: number, generation: number): void {
    const base = frame * this.#wordsPerPage;
    const page = this.#pages[frame] as number;
    const address = page + this.#salt;
    this.#digest.without(this.memory, this.frameOffset(frame), this.#layout.pageBytes, DIGEST_LOW, HEADER_WORDS);
    this.words[base + DIGEST_LOW] = bindLow(this.#digest.low, address, generation);
    this.words[base + DIGEST_HIGH] = bindHigh(this.#digest.high, address, generation);
    this.words[base + NUMBER] = page;
    this.words[base + WRITTEN_IN] = generation;
    this.#seen[page] = (this.words[base + DIGEST_LOW] as number) | 1;
  }

  #put(page: number, frame: number): void {
    this.#pages[frame] = page;
    this.#frames[page] = frame + 1;
    this.#used[frame] = 1;
    const first = page * this.#entriesPerPage;
    for (let index = 0; index < this.#entriesPerPage; index++) this.expect(first + index);
    this.#seen[page] = (this.words[frame * this.#wordsPerPage + DIGEST_LOW] as number) | 1;
  }
}
