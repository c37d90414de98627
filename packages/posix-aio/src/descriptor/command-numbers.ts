import type { BlockIo } from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';

/** The memory of commands as numbers, by buffer: there are few. */
const views = new WeakMap<IoBuffer, Float64Array>();

/** All numbers of the buffer that a command is in; the command's own begin at `io.bufferOffset / 8`. */
export function numbersOf(io: BlockIo): Float64Array {
  const buffer = io.buffer as IoBuffer;
  let numbers = views.get(buffer);
  if (numbers === undefined) {
    const { bytes } = buffer;
    numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
    views.set(buffer, numbers);
  }
  return numbers;
}
