import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import type { Slice } from '../stats/slice.js';
import type { Engine, Session, Target } from './engine.js';

/** Node's own blocking calls. */
export const fsSync: Engine = {
  id: 'fs_sync',
  synchronous: true,
  label: ({ direction }) => `fs.${direction}Sync`,
  open,
};

async function open({ path, direct }: Target): Promise<Session> {
  const fd = openSync(path, constants.O_RDWR | (direct ? constants.O_DIRECT : 0));
  return {
    run: (slice) => (slice.workload.direction === 'read' ? runReads(fd, slice) : runWrites(fd, slice)),
    close: async () => closeSync(fd),
  };
}

function runReads(fd: number, slice: Slice): void {
  const bytes = bytesOf(slice);
  const { blockBytes } = slice.workload;
  let result: number;
  do {
    result = readSync(fd, bytes, 0, blockBytes, slice.nextOffset());
  } while (slice.complete(0, result));
}

function runWrites(fd: number, slice: Slice): void {
  const bytes = bytesOf(slice);
  const { blockBytes } = slice.workload;
  let result: number;
  do {
    result = writeSync(fd, bytes, 0, blockBytes, slice.nextOffset());
  } while (slice.complete(0, result));
}

function bytesOf(slice: Slice): Uint8Array {
  const [buffer] = slice.buffers;
  if (buffer === undefined) throw new Error('a slice has at least one buffer');
  return buffer.bytes;
}
