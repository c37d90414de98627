import { closeSync, constants, openSync, read, write } from 'node:fs';
import type { Slice } from '../stats/slice.js';
import type { Engine, Session, Target } from './engine.js';

/** Node's callbacks. */
export const fsCallbacks: Engine = {
  id: 'fs_callbacks',
  synchronous: false,
  label: ({ direction }) => `fs.${direction}, callbacks`,
  open,
};

/** What fs.read and fs.write have in common. */
type Transfer = (
  fd: number,
  bytes: Uint8Array,
  bufferOffset: number,
  lengthBytes: number,
  position: number,
  callback: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void;

async function open({ path, direct }: Target): Promise<Session> {
  const fd = openSync(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0));
  return {
    run: (slice) => run(fd, slice),
    close: async () => closeSync(fd),
  };
}

function run(fd: number, slice: Slice): Promise<void> {
  const { depth, blockBytes, direction } = slice.workload;
  const transfer: Transfer = direction === 'read' ? read : write;
  return new Promise((resolve) => {
    let inFlight = depth;
    for (const [slot, { bytes }] of slice.buffers.slice(0, depth).entries()) {
      // One closure for each slot, made before the first I/O: a user who cares for speed does the same.
      const callback = (error: NodeJS.ErrnoException | null, count: number): void => {
        if (slice.complete(slot, error === null ? count : (error.errno ?? -1))) {
          transfer(fd, bytes, 0, blockBytes, slice.nextOffset(), callback);
          return;
        }
        inFlight -= 1;
        if (inFlight === 0) resolve();
      };
      transfer(fd, bytes, 0, blockBytes, slice.nextOffset(), callback);
    }
  });
}
