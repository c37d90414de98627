import { type Libc, libc } from '@biodone/uring';

let loaded: Libc | null | undefined;

/** The C library, or null where there is no foreign function interface: Node's own calls must do there. */
export function native(): Libc | null {
  if (loaded === undefined) {
    try {
      loaded = libc();
    } catch {
      loaded = null;
    }
  }
  return loaded;
}

/** Writes a 64-bit number as the kernel reads it, without a BigInt. All platforms that have io_uring bindings are little-endian. */
export function putWord64(words: Uint32Array, index: number, value: number): void {
  words[index] = value % 2 ** 32;
  words[index + 1] = Math.floor(value / 2 ** 32);
}
