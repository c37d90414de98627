import type { AioPriority } from '@biodone/aio';
import { IoBuffer } from '@biodone/uring';
import { invalidType, outOfRange } from './file-errors.js';

/** What a position of `null` stands for. */
export const OWN_POSITION = -1;

/** How a read or a write is to be done; FileHandle has none of this. */
export interface TransferOptions {
  /** Cancels the transfer: one that waits ends with AbortError; one that the kernel has started completes as it will. */
  signal?: AbortSignal | null | undefined;
  /** Which goes first while many wait: PRIORITY_TIMECRITICAL and its like, of `@biodone/aio`. @default PRIORITY_TIMELIMITED */
  priority?: AioPriority | undefined;
  /**
   * Whether the memory is used as it is, instead of being copied, because nobody transfers it away before the promise is settled: see
   * `IoBuffer.over`. @default the file's
   */
  trusted?: boolean | undefined;
}

/** How memory in several parts is read or written. */
export interface VectorOptions extends TransferOptions {
  /** In the file, in bytes. */
  position?: number | null | undefined;
}

/** The part of the memory, and of the file, that a read or a write is about. */
export interface PartOptions extends TransferOptions {
  /** In the memory, in bytes. @default 0 */
  offset?: number | null | undefined;
  /** In bytes. @default the rest of the memory */
  length?: number | null | undefined;
  /** In the file, in bytes; null for the file's own position, which the transfer moves. @default null */
  position?: number | null | undefined;
}

/** The same, of which it is not known what it holds. */
export interface AnyPart {
  buffer?: unknown;
  offset?: unknown;
  length?: unknown;
  position?: unknown;
  signal?: unknown;
  priority?: unknown;
  trusted?: unknown;
}

/**
 * The arguments of FileHandle's read and write, in all their forms, put together. One object does for all calls: what is in it is used before
 * anything else can happen.
 *
 * It takes only what is right beyond doubt. All else is left to FileHandle, which has an error for it, or a meaning of its own.
 */
export class TransferArguments {
  /** What the caller has passed as memory. */
  given: unknown = null;
  /** The whole of it. */
  view: Uint8Array = NOTHING;
  /** Which part of it. */
  offset = 0;
  lengthBytes = 0;
  /** Where in the file, or {@link OWN_POSITION}. */
  position = 0;
  signal: AbortSignal | null = null;
  priority: AioPriority = 1;
  trusted = false;
  /** Whether the memory has been made for this transfer, and nobody else knows of it yet. */
  unseen = false;

  /**
   * @returns whether they have been taken
   * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for options that FileHandle does not have
   */
  take(isRead: boolean, trusted: boolean, buffer: unknown, offset: unknown, length: unknown, position: unknown): boolean {
    this.signal = null;
    this.priority = 1;
    this.trusted = trusted;
    this.unseen = false;
    if (buffer instanceof Uint8Array && typeof offset === 'number') {
      this.given = buffer;
      this.view = buffer;
      return this.#takePart(offset, length, position);
    }
    return this.#takeOther(isRead, buffer, offset, length, position);
  }

  /** Keeps nothing alive that the caller lets go of. */
  forget(): void {
    this.given = null;
    this.view = NOTHING;
    this.signal = null;
  }

  #takePart(offset: number, length: unknown, position: unknown): boolean {
    const { length: size } = this.view;
    const lengthBytes = length ?? size - offset;
    if (typeof lengthBytes !== 'number' || !Number.isSafeInteger(lengthBytes) || !Number.isSafeInteger(offset)) return false;
    if (offset < 0 || lengthBytes <= 0 || lengthBytes > size - offset) return false;
    this.offset = offset;
    this.lengthBytes = lengthBytes;
    if (position === null || position === undefined) {
      this.position = OWN_POSITION;
      return true;
    }
    if (typeof position !== 'number' || !Number.isSafeInteger(position) || position < 0) return false;
    this.position = position;
    return true;
  }

  #takeOther(isRead: boolean, buffer: unknown, offset: unknown, length: unknown, position: unknown): boolean {
    if (!isMemory(buffer)) return isRead && !Array.isArray(buffer) && this.#takeOptions(buffer as AnyPart | null, true);
    this.given = buffer;
    this.view = bytesOf(buffer);
    if (typeof offset === 'object' && offset !== null) return this.#takeOptions(offset, false);
    // A write whose offset is null has nothing of its other arguments either, whatever they are.
    if (offset === null && !isRead) return false;
    if (offset !== null && offset !== undefined && typeof offset !== 'number') return false;
    return this.#takePart(offset ?? 0, length, position);
  }

  /** @param withMemory whether the memory is among them */
  #takeOptions(options: AnyPart | null | undefined, withMemory: boolean): boolean {
    if (options !== null && options !== undefined && typeof options !== 'object') return false;
    const { buffer, offset = 0, length, position, signal = null, priority = 1, trusted = this.trusted } = options ?? {};
    if (withMemory) {
      const memory = buffer === undefined ? Buffer.alloc(DEFAULT_BYTES) : buffer;
      if (!isMemory(memory)) return false;
      this.given = memory;
      this.view = bytesOf(memory);
    }
    checkOptions(signal, priority, trusted);
    this.signal = signal as AbortSignal | null;
    this.priority = priority as AioPriority;
    this.trusted = trusted as boolean;
    return typeof (offset ?? 0) === 'number' && this.#takePart((offset ?? 0) as number, length, position);
  }
}

const NOTHING = new Uint8Array(0);
/** What FileHandle allocates where it is given no memory. */
const DEFAULT_BYTES = 16384;

/** What a read or a write takes as its memory. */
export function isMemory(value: unknown): value is ArrayBufferView | IoBuffer {
  return ArrayBuffer.isView(value) || value instanceof IoBuffer;
}

/** Memory of any kind, byte by byte. */
export function bytesOf(memory: ArrayBufferView | IoBuffer): Uint8Array {
  if (memory instanceof Uint8Array) return memory;
  if (memory instanceof IoBuffer) return memory.bytes;
  return new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE */
export function checkOptions(signal: unknown, priority: unknown, trusted: unknown): void {
  if (signal !== null && !(signal instanceof AbortSignal)) throw invalidType('options.signal', 'an AbortSignal', signal);
  if (priority !== 0 && priority !== 1 && priority !== 2) throw outOfRange('options.priority', '0, 1 or 2', priority);
  if (typeof trusted !== 'boolean') throw invalidType('options.trusted', 'of type boolean', trusted);
}
