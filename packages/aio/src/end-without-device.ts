import { type BlockIo, type BlockIoOwner, IO_DONE, putOff } from '@biodone/blockdev';

/** What a request belongs to that ends before its device has seen it. */
const nowhere: BlockIoOwner = {
  capabilities: { readOnly: false, progress: 'none' },
  completed: () => {},
  finished: () => {},
  wait: () => 0,
};

/** Completes a request that its device has not seen, through the thread's queue of done requests: its callback never runs in here. */
export function endWithoutDevice(io: BlockIo, error: number): void {
  io.device = nowhere;
  io.error = error;
  io.transferredBytes = 0;
  io.state = IO_DONE;
  putOff(io);
}
