import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';

/** What `preferredColorScheme` is called in Blink. */
const SCHEMES = { dark: 0, light: 1 };

/** The first browser of this kind that is installed, or null. */
export function findChromium(): string | null {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  return names.find((name) => spawnSync(name, ['--version']).status === 0) ?? null;
}

export interface ScreenshotOptions {
  readonly browser: string;
  readonly folder: string;
  readonly html: string;
  readonly scheme: keyof typeof SCHEMES;
  readonly width: number;
  readonly height: number;
}

/** Opens a page in a reader's theme, and counts the pixels of each colour, as `#rrggbb`. */
export function coloursOf({ browser, folder, html, scheme, width, height }: ScreenshotOptions): Map<string, number> {
  const [page, picture] = [join(folder, 'page.html'), join(folder, `${scheme}.png`)];
  writeFileSync(page, html);
  const { status, stderr } = spawnSync(
    browser,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--force-color-profile=srgb',
      `--blink-settings=preferredColorScheme=${SCHEMES[scheme]}`,
      `--window-size=${width},${height}`,
      `--user-data-dir=${join(folder, 'profile')}`,
      '--virtual-time-budget=2000',
      `--screenshot=${picture}`,
      pathToFileURL(page).href,
    ],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (status !== 0) throw new Error(`${browser} ended with ${status}: ${stderr}`);
  return countColours(readFileSync(picture));
}

/** Reads a PNG of 8 bits a channel without interlacing, as browsers write them (RFC 2083). */
function countColours(png: Buffer): Map<string, number> {
  const [width, height, depth, type] = [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]];
  if (depth !== 8 || (type !== 2 && type !== 6)) throw new Error(`a PNG of another kind: depth ${depth}, type ${type}`);
  const pixelBytes = type === 2 ? 3 : 4;
  const rowBytes = width * pixelBytes;
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(parts));
  const colours = new Map<string, number>();
  let above = Buffer.alloc(rowBytes);
  for (let row = 0; row < height; row++) {
    const start = row * (rowBytes + 1);
    const line = raw.subarray(start + 1, start + 1 + rowBytes);
    unfilter(raw[start] as number, line, above, pixelBytes);
    for (let at = 0; at < rowBytes; at += pixelBytes) {
      const colour = `#${line.toString('hex', at, at + 3)}`;
      colours.set(colour, (colours.get(colour) ?? 0) + 1);
    }
    above = line;
  }
  return colours;
}

function unfilter(filter: number, line: Buffer, above: Buffer, pixelBytes: number): void {
  for (let at = 0; at < line.length; at++) {
    const left = at < pixelBytes ? 0 : (line[at - pixelBytes] as number);
    const up = above[at] as number;
    const corner = at < pixelBytes ? 0 : (above[at - pixelBytes] as number);
    const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] as number;
    line[at] = ((line[at] as number) + predicted) & 0xff;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
