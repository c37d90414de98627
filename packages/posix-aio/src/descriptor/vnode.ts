// The bundler would call AioFile of this package AioFile2 otherwise, which users see.
import { AioServicePool, AioFile as FlushOrder, OrderingKey } from '@biodone/aio';
import { BlockDevice } from '@biodone/blockdev';
import { DescriptorDriver } from './descriptor-driver.js';
import type { DescriptorEngine } from './descriptor-engine.js';
import { isMarked } from './descriptor-op.js';
import type { FileWitness } from './file-witness.js';

/** More than any limit of ours lets be in progress. */
const DEPTH = 65536;

/**
 * A file that descriptors of this thread's requests are of: BSD's vnode. All descriptors of the same file share one, so an fsync
 * covers the writes through all of them, and streams and appends keep one order.
 *
 * Positional files have a pool and a device each, since a failed flush poisons a file (rule 8) and not its neighbours; streams share a
 * pool of their own, whose operations may take for ever and hold up none of a disk's.
 */
export interface Vnode {
  /** One of S_IFREG and its like. */
  readonly kind: number;
  /** Names the file, as `status.words`. */
  readonly words: Uint32Array;
  /** What cannot seek: pipes, sockets, terminals and most other character devices. */
  readonly isStream: boolean;
  /** Whether it is a terminal, which can be opened anew so that it does not block. */
  readonly isTerminal: boolean;
  /** Tells the open file from others of the same inode, where that does not say which file it is. */
  readonly witness: FileWitness | null;
  readonly engine: DescriptorEngine;
  pool: AioServicePool;
  /** For the open files of which a flush has failed: its device is poisoned (rule 8), until they are closed. */
  failedPool: AioServicePool | null;
  flushFailed: boolean;
  /** What a flush covers: the requests of all pools that the file has had. */
  readonly file: FlushOrder;
  /** Reads and writes of a stream run one after the other, each direction for itself. */
  readonly reads: OrderingKey;
  readonly writes: OrderingKey;
  /** How many descriptors' numbers are known to be of it. */
  uses: number;
}

/** What a look at a file has found. */
export type VnodeTraits = Pick<Vnode, 'kind' | 'words' | 'isStream' | 'isTerminal' | 'witness'>;

/** The pool that all streams of the thread share, by engine. */
const streamPools = new WeakMap<DescriptorEngine, AioServicePool>();

export function makeVnode(traits: VnodeTraits, engineOf: (isStream: boolean) => DescriptorEngine): Vnode {
  const { isStream } = traits;
  const engine = engineOf(isStream);
  const file = new FlushOrder();
  const pool = isStream ? streamPoolOf(engine) : makePool(engine, isStream, file);
  const [reads, writes] = [new OrderingKey(), new OrderingKey()];
  return { ...traits, engine, pool, failedPool: null, flushFailed: false, file, reads, writes, uses: 0 };
}

/** The pool for a flush through a descriptor: an open file that was opened since one failed knows nothing of that, as fsync(2) has it. */
export function flushPoolOf(vnode: Vnode, fd: number): AioServicePool {
  if (vnode.flushFailed) {
    vnode.flushFailed = false;
    if (vnode.failedPool !== null) dropPool(vnode.failedPool);
    vnode.failedPool = vnode.pool;
    vnode.pool = makePool(vnode.engine, false, vnode.file);
  }
  return vnode.failedPool !== null && isMarked(fd) ? vnode.failedPool : vnode.pool;
}

/** Gives a file's pool back, which nothing uses any more. */
export function dropVnode({ pool, failedPool, isStream, witness }: Vnode): void {
  witness?.close();
  if (failedPool !== null) dropPool(failedPool);
  if (!isStream) dropPool(pool);
}

function dropPool(pool: AioServicePool): void {
  void pool.close().then(() => pool.device.close());
}

function streamPoolOf(engine: DescriptorEngine): AioServicePool {
  let pool = streamPools.get(engine);
  if (pool === undefined) {
    pool = makePool(engine, true, new FlushOrder());
    streamPools.set(engine, pool);
  }
  return pool;
}

function makePool(engine: DescriptorEngine, isStream: boolean, file: FlushOrder): AioServicePool {
  const { inFlightMax } = engine;
  // What the kernel has it orders by itself; what waits here is ordered by priority, but streams are in order anyway.
  const discipline = inFlightMax < DEPTH && !isStream ? 'priocscan' : 'fcfs';
  const device = new BlockDevice(new DescriptorDriver(engine, isStream));
  return new AioServicePool(device, {
    service: 'inline',
    depth: DEPTH,
    inFlightMax: isStream ? DEPTH : inFlightMax,
    discipline,
    file,
  });
}
