const UNIT_BYTES: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** The bytes of a size such as `256m`, or null where the text is not one. The suffixes are powers of 1024. */
export function parseSize(text: string): number | null {
  const match = /^(\d+)([kmg])?$/i.exec(text);
  if (match === null) return null;
  const [, digits = '', suffix = ''] = match;
  const bytes = Number(digits) * (UNIT_BYTES[suffix.toLowerCase()] ?? 1);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** A number of bytes for people: `256 MiB`. */
export function formatSize(bytes: number): string {
  const names = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < names.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(1))} ${names[unit]}`;
}
