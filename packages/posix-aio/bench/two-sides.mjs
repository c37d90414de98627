// Work that an AioFile and Node's FileHandle both do, measured as rates. The two sides take turns, since a disk that others use too is faster and slower by
// the second, and a rate is of the median time for one turn. Both sides look at the clock before and after each turn.

import { open as openHandle } from 'node:fs/promises';
import { open } from '@biodone/posix-aio';

/** There are many paths, and each is one turn after the other, which needs no long time. */
const SLICE_SHARE = 0.6;
const WARM_UP_SHARE = 0.3;

/** Both sides, by their names, with what opens a file. */
export const SIDES = [
  { name: 'aiofile', openFile: open },
  { name: 'filehandle', openFile: openHandle },
];

/**
 * How often a second each of two sides does something.
 *
 * @param {object[]} sides our own first
 * @param {(side: object) => Promise<void>} work one turn of a side
 * @param {number} lengthMs for both sides together, warm-up included, or a little less
 * @param {number} count how often it is done in one turn
 */
export async function ratesOf(sides, work, lengthMs, count = 1) {
  for (const side of sides) side.timesMs = [];
  await repeatFor(lengthMs * WARM_UP_SHARE, sides, work);
  for (const side of sides) side.timesMs = [];
  await repeatFor(lengthMs * SLICE_SHARE, sides, work);
  const [iops, fileHandleIops] = sides.map(({ timesMs }) => (1000 * count) / median(timesMs));
  return { iops, fileHandleIops };
}

/** The figure that is made of the rates of one path. */
export function overFileHandle(id) {
  return { id: `${id}_over_filehandle`, from: [id], of: ({ iops, fileHandleIops }) => iops / fileHandleIops };
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[sorted.length >> 1];
}

/** Each side first as often as the other. */
async function repeatFor(lengthMs, sides, work) {
  const startedAt = performance.now();
  let order = sides;
  do {
    for (const side of order) {
      const begun = performance.now();
      await work(side);
      side.timesMs.push(performance.now() - begun);
    }
    order = order.toReversed();
  } while (performance.now() - startedAt < lengthMs);
}
