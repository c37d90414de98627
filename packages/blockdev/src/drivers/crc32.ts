import * as zlib from 'node:zlib';

/** What Node has from 20.15 and from 22.2 on. */
const native = (zlib as { readonly crc32?: (data: Uint8Array) => number }).crc32;

let table: Uint32Array | null = null;

/** CRC-32 as Ethernet, zlib and GPT have it, as a number that is not negative. */
export function crc32(bytes: Uint8Array): number {
  return native === undefined ? crc32InScript(bytes) : native(bytes);
}

/** The same without Node's help. */
function crc32InScript(bytes: Uint8Array): number {
  table ??= makeTable();
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
    return crc;
  });
}
