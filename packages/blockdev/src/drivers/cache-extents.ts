import type { BlockIo } from '../block-io.js';
import { EXTENT_DATA } from '../extent-list.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheLines } from './cache-lines.js';

/** How many lines one answer about extents covers at most where some may be dirty: each of them is looked up. */
export const EXTENT_LINES_MAX = 16_384;

/** Makes the answer of the device below a request's own: what is dirty is data, whatever that one says. Returns how much of the request is answered. */
export function joinExtents(store: CacheLines, io: BlockIo, parent: BlockIo): number {
  const answer = io.extents;
  const extents = parent.extents;
  if (answer === null || extents === null) return 0;
  extents.clear();
  let at = io.offset;
  const end = io.offset + io.transferredBytes;
  for (let index = 0; index < answer.count && at < end; index++) {
    const extentEnd = Math.min(end, answer.offset(index) + answer.lengthBytes(index));
    while (at < extentEnd) {
      const kind = isDirtyAt(store, at) ? EXTENT_DATA : answer.kind(index);
      const lineEnd = (store.lineAt(at) + 1) * store.lineBytes;
      const next = store.index.unclean === 0 ? extentEnd : Math.min(extentEnd, lineEnd);
      if (!extents.add(at, next - at, kind)) return at - parent.offset;
      at = next;
    }
  }
  return at - parent.offset;
}

function isDirtyAt(store: CacheLines, offset: number): boolean {
  const slot = store.index.find(store.lineAt(offset));
  return slot !== NO_SLOT && store.index.isDirty(slot);
}
