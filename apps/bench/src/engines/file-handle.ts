import { constants } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import type { Slice } from '../stats/slice.js';
import type { Engine, Session, Target } from './engine.js';

/** Node's promises: what all others are compared with. */
export const fileHandle: Engine = {
  id: 'file_handle',
  synchronous: false,
  label: ({ direction }) => `FileHandle.${direction}`,
  open,
};

async function open({ path, direct }: Target): Promise<Session> {
  const handle = await openHandle(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0));
  return {
    async run(slice: Slice) {
      const slot = slice.workload.direction === 'read' ? readSlot : writeSlot;
      const buffers = slice.buffers.slice(0, slice.workload.depth);
      await Promise.all(buffers.map(({ bytes }, index) => slot(handle, slice, bytes, index)));
    },
    close: () => handle.close(),
  };
}

async function readSlot(handle: FileHandle, slice: Slice, bytes: Uint8Array, slot: number): Promise<void> {
  const { blockBytes } = slice.workload;
  let result: { bytesRead: number };
  do {
    result = await handle.read(bytes, 0, blockBytes, slice.nextOffset());
  } while (slice.complete(slot, result.bytesRead));
}

async function writeSlot(handle: FileHandle, slice: Slice, bytes: Uint8Array, slot: number): Promise<void> {
  const { blockBytes } = slice.workload;
  let result: { bytesWritten: number };
  do {
    result = await handle.write(bytes, 0, blockBytes, slice.nextOffset());
  } while (slice.complete(slot, result.bytesWritten));
}
