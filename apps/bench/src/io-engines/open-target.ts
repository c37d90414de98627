import { constants } from 'node:fs';
import { type BlockDevice, openDevice, openFile } from '@biodone/blockdev';
import { type OpenOptions, Unavailable } from './io-engine.js';

/** The target as a block device of biodone. Several jobs may have it open, so no lock is taken. */
export async function openBlockTarget(options: OpenOptions, engine: 'uring' | 'fs'): Promise<BlockDevice> {
  const { target, direct, writes, trims } = options;
  if (target.kind === 'none') throw new Unavailable('this engine needs a file or a device');
  if (target.kind === 'stack') return openDevice(target.device);
  const readOnly = !writes && !trims;
  return openFile(target.path, { engine, direct, readOnly, growable: !target.isDevice && !readOnly, lock: false });
}

/** Flags of open(2) for the engines that use Node's own calls. */
export function openFlags({ direct, writes, sync }: OpenOptions): number {
  let flags = writes ? constants.O_RDWR : constants.O_RDONLY;
  if (direct) flags |= constants.O_DIRECT;
  if (sync === 'sync') flags |= constants.O_SYNC;
  if (sync === 'dsync') flags |= constants.O_DSYNC;
  return flags;
}

/** The path of a file or a device. @throws Unavailable for a stack, which only biodone's own engines know */
export function pathOf({ target }: OpenOptions): string {
  if (target.kind === 'file') return target.path;
  throw new Unavailable('a stack of devices needs ioengine=uring, threads, sync or promises');
}
