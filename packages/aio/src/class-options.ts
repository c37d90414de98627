import { BlockDevice, type BlockTimers, threadTimers } from '@biodone/blockdev';
import { AioFile } from './aio-file.js';
import { type Balance, type BalanceName, makeBalance, makeRandom, type RandomBelow } from './balance.js';
import { checkNames } from './check-names.js';
import { checkInteger, invalidType } from './errors.js';
import type { AioServicePoolOptions } from './pool-options.js';
import { checkSameData } from './same-data.js';

/** A pool of a class: its device, and the options of a pool of its own. */
export interface ClassPoolOptions extends Omit<AioServicePoolOptions, 'file' | 'timers'> {
  /** What its operations go to: the same device object as others, or another channel of it; close it after the class. */
  device: BlockDevice;
}

/** Options of {@link AioServiceClass}. */
export interface AioServiceClassOptions {
  /**
   * Which pool an operation goes to: `'least-loaded'`, the one with the fewest operations that are not done; `'two-choices'`, the better one of two
   * that are taken at random, for classes of many pools; `'round-robin'`, one after the other, for comparison.
   * @default 'least-loaded'
   */
  balance?: BalanceName;
  /**
   * Whether a pool that has room takes operations out of the queue of one that has none. Queues there are where `inFlightMax` is below `depth`.
   * @default true
   */
  steal?: boolean;
  /**
   * Whether you vouch for devices that are not channels of one open device: that what is written through one is read through the others, and that a
   * flush through one makes all of that stable. Several paths to a disk and several openings of a file are so; two memory disks, or two halves of a
   * mirror, are not.
   * @default false
   */
  sameData?: boolean;
  /** The open file, where pools outside of the class are on it too. @default that of the first device */
  file?: AioFile;
  /** For `'two-choices'`: gives an integer from 0 to its argument - 1. @default a generator whose seed is random */
  random?: RandomBelow;
  /** @default this thread's */
  timers?: BlockTimers;
}

/** With all defaults, and checked. */
export interface CompleteClassOptions {
  readonly balance: Balance;
  readonly steal: boolean;
  readonly file: AioFile;
  readonly timers: BlockTimers;
}

/** @throws as the constructor of {@link AioServiceClass} */
export function completeClassOptions(pools: readonly ClassPoolOptions[], options: AioServiceClassOptions): CompleteClassOptions {
  checkPools(pools);
  checkNames('AioServiceClass', options, ['balance', 'steal', 'sameData', 'file', 'random', 'timers']);
  const { balance = 'least-loaded', steal = true, sameData = false, random = randomlySeeded(), timers = threadTimers } = options;
  if (typeof steal !== 'boolean') throw invalidType('options.steal', 'of type boolean', steal);
  if (typeof sameData !== 'boolean') throw invalidType('options.sameData', 'of type boolean', sameData);
  if (typeof random !== 'function') throw invalidType('options.random', 'a function', random);
  const devices = pools.map((pool) => pool?.device);
  checkSameData(devices, sameData);
  const file = options.file ?? AioFile.of(devices[0] as BlockDevice);
  return { balance: makeBalance(balance, random), steal, file, timers };
}

function checkPools(pools: readonly ClassPoolOptions[]): void {
  if (!Array.isArray(pools)) throw invalidType('pools', 'an array of { device, ...options of a pool }', pools);
  checkInteger('pools.length', pools.length, 1, 1024);
  for (const [index, pool] of pools.entries()) {
    const name = `pools[${index}]`;
    const { depth } = (pool ?? {}) as { depth?: unknown };
    // A pool has a device and a depth too, and would be taken for its own options.
    const isPool = typeof (pool as { submitAll?: unknown } | null)?.submitAll === 'function';
    if (isPool) throw invalidType(name, `{ device, depth: ${depth} } and the like: the class makes its pools itself`, pool);
    if (pool instanceof BlockDevice) throw invalidType(name, '{ device }, an object with the device in it', pool);
    if (!(pool?.device instanceof BlockDevice)) throw invalidType(`${name}.device`, 'a BlockDevice', pool?.device);
  }
}

function randomlySeeded(): RandomBelow {
  return makeRandom(Math.floor(Math.random() * 2 ** 32));
}
