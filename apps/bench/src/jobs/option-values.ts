/** Why a value is not one: the end of a sentence that begins with the option, `bs=4x is not …`. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

/** A size that may be a share of something that is known later. */
export type Extent = { readonly bytes: number } | { readonly percent: number };

/** What is between two values, both included. */
export interface ByteRange {
  readonly min: number;
  readonly max: number;
}

/** A value for each direction. */
export interface PerDirection<T> {
  readonly read: T;
  readonly write: T;
  readonly trim: T;
}

const SIZE_POWERS = ['', 'k', 'm', 'g', 't', 'p'];
const TIME_MICROS: Readonly<Record<string, number>> = {
  us: 1,
  usec: 1,
  ms: 1e3,
  msec: 1e3,
  s: 1e6,
  sec: 1e6,
  m: 6e7,
  min: 6e7,
  h: 3.6e9,
  hour: 3.6e9,
  d: 8.64e10,
  day: 8.64e10,
};

/**
 * Bytes, as fio counts them: `k`, `kb` and `ki` are the base that `kb_base` gives, 1024 unless told otherwise, and `kib` is the other one of 1024
 * and 1000. `0x` begins a hexadecimal number.
 */
export function bytesOf(text: string, kbBase: number): number {
  const match = /^(0x[\da-f]+|\d+(?:\.\d+)?)([kmgtp]?)(i?)(b?)$/i.exec(text.trim());
  if (match === null) throw new ValueError('is not a size: give bytes, with k, m, g, t or p, as in 4k');
  const [, digits = '', suffix = '', binary, byte] = match;
  const base = binary !== '' && byte !== '' ? 2024 - kbBase : kbBase;
  const bytes = Number(digits) * base ** SIZE_POWERS.indexOf(suffix.toLowerCase());
  if (!Number.isSafeInteger(bytes)) throw new ValueError('is not a whole number of bytes below 2^53');
  return bytes;
}

/** Bytes, or a share such as `50%`. */
export function extentOf(text: string, kbBase: number): Extent {
  const share = /^(\d+)%$/.exec(text.trim());
  if (share === null) return { bytes: bytesOf(text, kbBase) };
  const percent = Number(share[1]);
  if (percent > 100) throw new ValueError('is more than all of it: give at most 100%');
  return { percent };
}

/** A time in microseconds. A bare number has the unit `bareUnit`. */
export function microsOf(text: string, bareUnit: 's' | 'ms' | 'us'): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text.trim());
  const unit = TIME_MICROS[match?.[2]?.toLowerCase() || bareUnit];
  if (match === null || unit === undefined)
    throw new ValueError('is not a time: give a number with d, h, m, s, ms or us, as in 10s');
  return Number(match[1]) * unit;
}

/** A whole number. Its suffixes are those of sizes, as in fio. */
export function wholeOf(text: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  let value: number;
  try {
    value = bytesOf(text, 1024);
  } catch {
    throw new ValueError(`is not a whole number from ${min} to ${max}`);
  }
  if (value < min || value > max) throw new ValueError(`is out of range: give a whole number from ${min} to ${max}`);
  return value;
}

/** A number that need not be whole. */
export function decimalOf(text: string, min: number, max: number): number {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new ValueError(`is not a number from ${min} to ${max}`);
  return value;
}

/** `1` or `0`; an option without a value says 1. */
export function flagOf(text: string): boolean {
  const known: Readonly<Record<string, boolean>> = {
    '': true,
    '1': true,
    '0': false,
    true: true,
    false: false,
    yes: true,
    no: false,
  };
  const value = Object.hasOwn(known, text) ? known[text] : undefined;
  if (value === undefined) throw new ValueError('is neither 1 nor 0');
  return value;
}

/** One of some words. */
export function choiceOf<T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new ValueError(`is none of ${choices.join(', ')}`);
  return found;
}

/**
 * Values for reads, writes and trims, with commas between them. One counts for all; of two the second also counts for trims; one that is left
 * empty is the default.
 */
export function perDirection<T>(text: string, parse: (part: string) => T, fallback: T): PerDirection<T> {
  const parts = text.split(',');
  if (parts.length > 3) throw new ValueError('has more than three parts: one for reads, one for writes, one for trims');
  const valueAt = (index: number): T => {
    const part = parts[Math.min(index, parts.length - 1)] ?? '';
    return part.trim() === '' ? fallback : parse(part);
  };
  return { read: valueAt(0), write: valueAt(1), trim: valueAt(2) };
}
