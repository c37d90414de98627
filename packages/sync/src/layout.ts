import { SyncError } from './errors.js';
import { THREAD_BITS, thisThread } from './thread.js';
import { threadState } from './thread-state.js';
import { LAYOUT_VERSION } from './version.js';

// How a primitive lies in shared memory: a head of four 32-bit words that every kind has, then the kind's own words.

/** Index of the word that says kind, version and mode. */
const TAG = 0;
/** Index of the word that holds the size in bytes. */
const SIZE = 1;
/** Index of the first of two words that identify one initialization: thread, and a count in that thread. */
const IDENTITY = 2;
/** Index of the first word that belongs to the kind itself. */
export const BODY: number = 4;

/** Every primitive starts at a multiple of so many bytes, counted from the start of its SharedArrayBuffer. */
export const ALIGNMENT: number = 8;

/** How many bytes each of the locks takes: a cache line of its own. */
export const LOCK_BYTES: number = 64;

/** A kind of primitive, as its memory says it. */
export interface Kind {
  readonly name: string;
  /** The number of the kind in the tag word: 1 to 255. */
  readonly number: number;
  /** The BSD name of making one, for errors. */
  readonly syscall: string;
}

const MAGIC = 0x62 << 24;
/** So that a thread's token, this count and a place number fit into a number exactly. */
const IDENTITY_COUNTS = 2 ** (51 - THREAD_BITS);

/** The next multiple of {@link ALIGNMENT}. */
export function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/**
 * Lays out a new primitive: its head, the first words of its body as given, zeros.
 *
 * `bytes` is less than 2^31. The tag is stored last, so that another thread which sees it (the load in {@link attachWords}) sees the rest too.
 */
export function initializeWords(
  kind: Kind,
  memory: SharedArrayBuffer,
  byteOffset: number,
  bytes: number,
  mode: number,
  body: readonly number[],
): void {
  checkPlace(kind, memory, byteOffset, bytes);
  const words = new Int32Array(memory, byteOffset, bytes / 4);
  threadState.initializations = (threadState.initializations + 1) % IDENTITY_COUNTS;
  words.fill(0, BODY);
  words.set(body, BODY);
  words[SIZE] = bytes;
  words[IDENTITY] = thisThread;
  words[IDENTITY + 1] = threadState.initializations;
  // Pairs with the load of the tag in attachWords().
  Atomics.store(words, TAG, tagOf(kind, mode));
}

/** A view of a primitive that some thread has laid out. `bytes` is the least size that the kind needs. */
export function attachWords(kind: Kind, memory: SharedArrayBuffer, byteOffset: number, bytes: number): Int32Array {
  checkPlace(kind, memory, byteOffset, bytes);
  const head = new Int32Array(memory, byteOffset, BODY);
  // Pairs with the store of the tag in initializeWords().
  const tag = Atomics.load(head, TAG);
  if (tag >>> 24 !== MAGIC >>> 24) throw new SyncError('EINVAL', kind.syscall, `no ${kind.name} at offset ${byteOffset}`);
  const version = (tag >>> 8) & 0xff;
  if (version !== LAYOUT_VERSION) {
    throw new SyncError('EPROTONOSUPPORT', kind.syscall, `layout version ${version} here, ${LAYOUT_VERSION} expected`);
  }
  if (((tag >>> 16) & 0xff) !== kind.number)
    throw new SyncError('EINVAL', kind.syscall, `another kind than ${kind.name} is at offset ${byteOffset}`);
  const size = head[SIZE] as number;
  if (size < bytes) throw new SyncError('EINVAL', kind.syscall, `${size} bytes laid out, at least ${bytes} expected`);
  checkPlace(kind, memory, byteOffset, size);
  return new Int32Array(memory, byteOffset, size / 4);
}

/** The mode bits that were given to {@link initializeWords}. */
export function modeOf(words: Int32Array): number {
  return (words[TAG] as number) & 0xff;
}

/**
 * A number for each of the four places of a primitive where callbacks wait: the same for all views of it in this process, however many
 * SharedArrayBuffer objects show its memory, and for no other primitive.
 */
export function keyOf(words: Int32Array, place: number): number {
  return ((words[IDENTITY] as number) * IDENTITY_COUNTS + (words[IDENTITY + 1] as number)) * 4 + place;
}

function tagOf(kind: Kind, mode: number): number {
  return MAGIC | (kind.number << 16) | (LAYOUT_VERSION << 8) | mode;
}

function checkPlace(kind: Kind, memory: SharedArrayBuffer, byteOffset: number, bytes: number): void {
  if (!(memory instanceof SharedArrayBuffer))
    throw new SyncError('EINVAL', kind.syscall, 'the memory is not a SharedArrayBuffer');
  if (!Number.isInteger(byteOffset) || byteOffset < 0 || byteOffset % ALIGNMENT !== 0) {
    throw new SyncError('EINVAL', kind.syscall, `offset ${byteOffset} is not a multiple of ${ALIGNMENT}`);
  }
  if (memory.byteLength - byteOffset < bytes) {
    throw new SyncError('EINVAL', kind.syscall, `${bytes} bytes do not fit at offset ${byteOffset} of ${memory.byteLength}`);
  }
}
