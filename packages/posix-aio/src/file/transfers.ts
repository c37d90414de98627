import { IoBuffer } from '@biodone/uring';
import { invalidType, outOfRange } from './file-errors.js';
import { MemoryParts } from './memory-parts.js';
import { IN_TURN, type OpenFile } from './open-file.js';
import { type AnyPart, isMemory, OWN_POSITION, TransferArguments } from './transfer-arguments.js';
import type { TransferResult } from './transfer-work.js';

/** How many parts the kernel takes at once (UIO_MAXIOV). */
const PARTS_MAX = 1024;

const asked = new TransferArguments();

/** FileHandle's read. What is wrong with the arguments, or of a meaning of FileHandle's own, is for that. */
export function read(
  open: OpenFile,
  buffer: unknown,
  offset: unknown,
  length: unknown,
  position: unknown,
): Promise<TransferResult> {
  try {
    const taken = asked.take(true, open.trusted, buffer, offset, length, position);
    const started = taken ? open.transfer(true, asked) : null;
    if (started !== null) return started;
    refuseFatalLength(buffer, offset, length);
    return byHandle(open, true, taken ? asked : IN_TURN, buffer, offset, length, position);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Reads into memory that was made for it, all of an ArrayBuffer that nobody else knows of yet: it need not be copied. */
export function readUnseen(open: OpenFile, memory: Uint8Array, position: number | null): Promise<TransferResult> {
  if (!asked.take(true, false, memory, 0, memory.length, position)) return read(open, memory, 0, memory.length, position);
  asked.unseen = true;
  return open.transfer(true, asked) ?? byHandle(open, true, asked, memory, 0, memory.length, position);
}

/** FileHandle's write; what is not plain is for that, as with {@link read}. */
export function write(
  open: OpenFile,
  buffer: unknown,
  offset: unknown,
  length: unknown,
  position: unknown,
): Promise<TransferResult> {
  try {
    if (typeof buffer === 'string') return writeString(open, buffer, offset, length);
    const taken = asked.take(false, open.trusted, buffer, offset, length, position);
    const started = taken ? open.transfer(false, asked) : null;
    if (started !== null) return started;
    refuseFatalZero(offset, length);
    return byHandle(open, false, taken ? asked : IN_TURN, buffer, offset, length, position);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** FileHandle's readv. */
export function readv(open: OpenFile, buffers: unknown, position: unknown): Promise<TransferResult> {
  return moveParts(open, true, buffers, position);
}

/** FileHandle's writev. */
export function writev(open: OpenFile, buffers: unknown, position: unknown): Promise<TransferResult> {
  return moveParts(open, false, buffers, position);
}

function moveParts(open: OpenFile, isRead: boolean, buffers: unknown, position: unknown): Promise<TransferResult> {
  // Any position but a number means the file's own.
  const at = typeof position === 'number' ? position : OWN_POSITION;
  const isPlain = Array.isArray(buffers) && buffers.length <= PARTS_MAX && buffers.every(isMemory);
  const isAimed = typeof position !== 'number' || (Number.isSafeInteger(at) && at >= 0);
  const parts = isPlain && isAimed ? new MemoryParts(buffers) : null;
  if (parts !== null && parts.lengthBytes > 0 && open.takes(at, parts.lengthBytes, true)) {
    return open.transferParts(isRead, buffers, parts, at);
  }
  const handle = open.handle as unknown as AnyHandle;
  const call = (): Promise<TransferResult> => handle[isRead ? 'readv' : 'writev'](buffers, position);
  return open.call(isRead, parts === null ? IN_TURN : { ...IN_TURN, position: at }, call);
}

async function writeString(open: OpenFile, text: string, position: unknown, encoding: unknown): Promise<TransferResult> {
  const isPlain = text.length > 0 && (encoding === undefined || encoding === 'utf8');
  const taken = isPlain && asked.take(false, false, Buffer.from(text), 0, undefined, position);
  if (taken) asked.given = text;
  const started = taken ? open.transfer(false, asked) : null;
  if (started !== null) return started;
  return byHandle(open, false, taken ? asked : IN_TURN, text, position, encoding);
}

/** FileHandle's binding takes a length of 32 bits. */
const LENGTH_MAX = 0x7fff_ffff;

/**
 * A length for which FileHandle's read would abort the process: one that is no integer of 32 bits, where nothing before it is wrong.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE
 */
function refuseFatalLength(buffer: unknown, offset: unknown, length: unknown): void {
  const isFirst = isMemory(buffer);
  const inOptions = isFirst ? offset : buffer;
  const options = (typeof inOptions === 'object' ? inOptions : null) as AnyPart | null;
  const lengthBytes = options === null ? length : options.length;
  if (lengthBytes === undefined || lengthBytes === null) return;
  const from = (options === null ? offset : options.offset) ?? 0;
  const memory = isFirst ? buffer : (options?.buffer ?? Buffer);
  // FileHandle looks at these first, and refuses them.
  if (!Number.isSafeInteger(from) || (from as number) < 0 || (memory as Uint8Array).byteLength === 0) return;
  if (typeof lengthBytes !== 'number') throw invalidType('length', 'of type number', lengthBytes);
  const isTooLong = lengthBytes > LENGTH_MAX && lengthBytes <= (memory as Uint8Array).byteLength - (from as number);
  if (!Number.isInteger(lengthBytes) || isTooLong) throw outOfRange('length', `an integer <= ${LENGTH_MAX}`, lengthBytes);
}

/**
 * A length of -0, for which FileHandle's write would abort the process.
 *
 * @throws RangeError ERR_OUT_OF_RANGE
 */
function refuseFatalZero(offset: unknown, length: unknown): void {
  const lengthBytes = typeof offset === 'object' ? (offset as AnyPart | null)?.length : length;
  if (Object.is(lengthBytes, -0)) throw outOfRange('length', 'an integer, and not -0', lengthBytes);
}

/** What FileHandle does, or says, for these arguments. */
async function byHandle(
  open: OpenFile,
  isRead: boolean,
  place: typeof IN_TURN,
  buffer: unknown,
  ...others: unknown[]
): Promise<TransferResult> {
  const handle = open.handle as unknown as AnyHandle;
  // It does not know an IoBuffer, but what that is made of.
  const isOurs = buffer instanceof IoBuffer;
  const memory = isOurs ? buffer.bytes : buffer;
  const result = await open.call(isRead, place, () => handle[isRead ? 'read' : 'write'](memory, ...others));
  if (isOurs) result.buffer = buffer;
  return result;
}

/** FileHandle, for arguments of which it is not known what they are. */
type AnyHandle = Record<'read' | 'write' | 'readv' | 'writev', (...all: unknown[]) => Promise<TransferResult>>;
