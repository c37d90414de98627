const LINE_BYTES = 16;
/** Lines around the first difference. */
const LINES = 8;

/** The places around the first difference of two blocks, in hexadecimal, side by side line by line: `<` was expected, `>` was received. */
export function dumpDifference(expected: Uint8Array, received: Uint8Array, offset: number): string {
  const first = expected.findIndex((byte, index) => byte !== received[index]);
  const begin = Math.max(0, Math.floor(Math.max(0, first) / LINE_BYTES) - 1) * LINE_BYTES;
  const lines = [`first difference at offset ${offset + Math.max(0, first)} (< expected, > received):`];
  for (let at = begin; at < Math.min(expected.length, begin + LINES * LINE_BYTES); at += LINE_BYTES) {
    const [wanted, found] = [expected.subarray(at, at + LINE_BYTES), received.subarray(at, at + LINE_BYTES)];
    const place = (offset + at).toString(16).padStart(12, '0');
    lines.push(`  ${place} < ${hex(wanted)}`, `  ${place} > ${hex(found)}`);
  }
  return lines.join('\n');
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
