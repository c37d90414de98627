import { ValueError } from './option-values.js';

/** Stands in a pattern for the offset of the block, in eight bytes, lowest first: fio's `%o`. */
const OFFSET_BYTE = -1;
const OFFSET_BYTES = 8;

/**
 * The bytes of a pattern that fills blocks: decimal and hexadecimal numbers, texts in double quotes, and `%o`, one behind the other, as in
 * `0xdeadbeef"abc"%o-12`. A place of the offset is {@link OFFSET_BYTE}, eight times.
 */
export function bytePatternOf(text: string): readonly number[] {
  const bytes: number[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const match = /^(?:0x([\da-f]+)|"([^"]*)"|(%o)|(-?\d+))/i.exec(rest);
    if (match === null) throw new ValueError('is no pattern: give numbers, "text" and %o, as in 0xdeadbeef');
    const [whole, hexadecimal, quoted, offset, decimal] = match;
    if (hexadecimal !== undefined)
      bytes.push(...Buffer.from(hexadecimal.padStart(hexadecimal.length + (hexadecimal.length % 2), '0'), 'hex'));
    else if (quoted !== undefined) bytes.push(...Buffer.from(quoted));
    else if (offset !== undefined) bytes.push(...new Array<number>(OFFSET_BYTES).fill(OFFSET_BYTE));
    else bytes.push(...littleEndian(Number(decimal)));
    rest = rest.slice(whole.length);
  }
  if (bytes.length === 0 || bytes.length > 512) throw new ValueError('has no bytes, or more than 512');
  return bytes;
}

/** A decimal number takes as few bytes as hold it, lowest first. */
function littleEndian(value: number): number[] {
  if (value < -(2 ** 31) || value >= 2 ** 32) throw new ValueError('has a number that does not fit 32 bits');
  const bytes = [value & 255];
  for (let rest = value >>> 8; rest !== 0 && value > 255; rest >>>= 8) bytes.push(rest & 255);
  if (value < 0) for (let shift = 8; shift < 32; shift += 8) bytes.push((value >> shift) & 255);
  return bytes;
}

/** Fills memory with a pattern, which begins anew at its start. */
export function fillWithPattern(bytes: Uint8Array, pattern: readonly number[], offset: number): void {
  let offsetIndex = 0;
  const limit = Math.min(pattern.length, bytes.length);
  for (let index = 0; index < limit; index++) {
    const value = pattern[index] as number;
    if (value === OFFSET_BYTE) {
      bytes[index] = Math.floor(offset / 256 ** (offsetIndex % OFFSET_BYTES)) % 256;
      offsetIndex += 1;
    } else {
      bytes[index] = value;
    }
  }
  for (let filled = limit; filled < bytes.length; filled *= 2)
    bytes.copyWithin(filled, 0, Math.min(filled, bytes.length - filled));
}
