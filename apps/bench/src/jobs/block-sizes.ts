import { type ByteRange, bytesOf, type PerDirection, perDirection, ValueError, wholeOf } from './option-values.js';

/** Sizes of blocks with how often each is wanted, in percent; all of them are 100. */
export interface BlockShare {
  readonly bytes: number;
  readonly percent: number;
}

/** `bs=4k` or `bs=4k,8k`, as ranges of one size. */
export function blockSizesOf(text: string, kbBase: number): PerDirection<ByteRange> {
  return perDirection(text, (part) => exactly(positive(part, kbBase)), exactly(4096));
}

/** `bsrange=1k-4k`, with commas between the directions. */
export function blockRangesOf(text: string, kbBase: number): PerDirection<ByteRange> {
  return perDirection(text, (part) => rangeOf(part, kbBase), exactly(4096));
}

/** `bssplit=4k/60:64k/40`, with commas between the directions. Shares that are left out have what the others leave, in equal parts. */
export function blockSplitsOf(text: string, kbBase: number): PerDirection<readonly BlockShare[]> {
  return perDirection(text, (part) => splitOf(part, kbBase), []);
}

function rangeOf(text: string, kbBase: number): ByteRange {
  const [low, high, more] = text.split('-');
  if (low === undefined || high === undefined || more !== undefined) throw new ValueError('is not a range of sizes, as in 1k-4k');
  const range = { min: positive(low, kbBase), max: positive(high, kbBase) };
  if (range.min > range.max) throw new ValueError('is a range that ends before it begins');
  return range;
}

function splitOf(text: string, kbBase: number): BlockShare[] {
  const parts = text.split(':').map((part) => {
    const [size = '', share] = part.split('/');
    const percent = share === undefined || share === '' ? null : wholeOf(share.replace('%', ''), 0, 100);
    return { bytes: positive(size, kbBase), percent };
  });
  const given = parts.reduce((sum, { percent }) => sum + (percent ?? 0), 0);
  const open = parts.filter(({ percent }) => percent === null).length;
  if (given > 100 || (open === 0 && given < 100)) throw new ValueError(`has shares that add up to ${given}, not 100`);
  return parts.map(({ bytes, percent }) => ({ bytes, percent: percent ?? (100 - given) / open }));
}

function positive(text: string, kbBase: number): number {
  const bytes = bytesOf(text, kbBase);
  if (bytes === 0 || bytes > 2 ** 30) throw new ValueError('is a block of no size, or of more than 1 GiB');
  return bytes;
}

function exactly(bytes: number): ByteRange {
  return { min: bytes, max: bytes };
}
