import { type FileHandle, open } from 'node:fs/promises';
import { IO_FDATASYNC, IO_READ, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import type { EngineOpening, IoEngine, OpenOptions } from './io-engine.js';
import { openFlags, pathOf } from './open-target.js';
import { promiseSession } from './promises-engine.js';

/** Node's promises. */
export const fsPromisesEngine: IoEngine = {
  isSynchronous: false,
  async open(options: OpenOptions): Promise<EngineOpening> {
    const handle = await open(pathOf(options), openFlags(options));
    return {
      alignmentBytes: 4096,
      attach: (sink) => promiseSession(sink, (unit) => transfer(handle, unit)),
      close: () => handle.close(),
    };
  },
};

async function transfer(handle: FileHandle, { operation, buffer, lengthBytes, offset }: IoUnit): Promise<number> {
  if (operation === IO_READ) return (await handle.read(buffer.bytes, 0, lengthBytes, offset)).bytesRead;
  if (operation === IO_WRITE) return (await handle.write(buffer.bytes, 0, lengthBytes, offset)).bytesWritten;
  await (operation === IO_FDATASYNC ? handle.datasync() : handle.sync());
  return lengthBytes;
}
