import { type BlockIo, type BlockIoOwner, beginSubmit, biodone, endSubmit, IO_STARTED } from '@biodone/blockdev';

/** What a request belongs to that ends before its device has seen it. */
const nowhere: BlockIoOwner = {
  capabilities: { readOnly: false, progress: 'none' },
  completed: (_io, error) => error,
  finished: () => {},
  wait: () => 0,
};

/** Completes a request that its device has not seen, through the thread's queue of done requests: its callback never runs in here. */
export function endWithoutDevice(io: BlockIo, error: number): void {
  io.device = nowhere;
  io.state = IO_STARTED;
  io.transferredBytes = 0;
  beginSubmit();
  try {
    biodone(io, error);
  } finally {
    endSubmit();
  }
}
