import { type BlockIo, type BlockIoOwner, IO_DONE, putOff } from '@biodone/blockdev';

/** What a request belongs to that ends before its device has seen it. */
const nowhere: BlockIoOwner = {
  capabilities: { readOnly: false, progress: 'none' },
  completed: () => {},
  finished: () => {},
  wait: () => 0,
};

/** Calls a request's `iodone` by the thread's queue of done requests, and never in here. It may not be in that queue already. */
export function tellLater(io: BlockIo): void {
  io.device = nowhere;
  putOff(io);
}

/** Completes a request that its device has not seen, through the thread's queue of done requests: its callback never runs in here. */
export function endWithoutDevice(io: BlockIo, error: number): void {
  io.error = error;
  io.transferredBytes = 0;
  io.state = IO_DONE;
  tellLater(io);
}
