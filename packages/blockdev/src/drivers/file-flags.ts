import { RWF_ATOMIC, RWF_DSYNC, RWF_NOWAIT, RWF_SYNC } from '@biodone/uring';
import { BLOCK_ATOMIC, BLOCK_FUA, BLOCK_NOWAIT, BLOCK_SYNC, type BlockIo } from '../block-io.js';

/** What a transfer's flags are to preadv2(2), pwritev2(2) and io_uring: include/uapi/linux/fs.h. */
export function rwFlagsOf(io: BlockIo): number {
  const { flags } = io;
  if (flags === 0) return 0;
  const stable = isFullSync(io) ? RWF_SYNC : (flags & BLOCK_FUA) !== 0 ? RWF_DSYNC : 0;
  return stable | ((flags & BLOCK_NOWAIT) !== 0 ? RWF_NOWAIT : 0) | ((flags & BLOCK_ATOMIC) !== 0 ? RWF_ATOMIC : 0);
}

/** Whether all that describes the file is to be stable, and not only what is needed to read its data. */
export function isFullSync({ flags }: BlockIo): boolean {
  return (flags & BLOCK_SYNC) === BLOCK_SYNC;
}
