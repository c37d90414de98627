import { EINVAL, SystemError } from '@biodone/uring';
import type { BlockTimers } from './batch-clock.js';
import type { BlockDevice } from './block-device.js';
import { checkDeviceList } from './check-options.js';
import type { BlockClaim } from './claims.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';

/** How long a thread waits for one of several devices before it looks at the others. */
const LOOK_EVERY_MS = 5;

/** Makes the claim on a device; null where nothing is to be claimed. */
export type Claiming = (device: BlockDevice, index: number) => BlockClaim | null;

/**
 * What a stack writes to is its own: others may read. A stack that cannot write, and a channel in another thread, claim nothing; nor does
 * a stack on a channel, which works by the right of its handle.
 */
export const claimToWrite: Claiming = (device) =>
  device.capabilities.readOnly || device.attached ? null : device.claim('read-many-write-one');

/** The devices that another lies on: with the claims on them, and what they have in common. */
export class StackChildren {
  readonly #devices: readonly BlockDevice[];
  readonly #claims: (BlockClaim | null)[] = [];
  readonly #unwatch: (() => void)[] = [];

  /** @throws SystemError EBUSY if somebody has claimed one of the devices, and then none is claimed */
  constructor(devices: readonly BlockDevice[], claim: Claiming | null) {
    this.#devices = devices;
    try {
      for (const [index, device] of devices.entries()) this.#claims.push(claim?.(device, index) ?? null);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  get count(): number {
    return this.#devices.length;
  }

  get all(): readonly BlockDevice[] {
    return this.#devices;
  }

  device(index: number): BlockDevice {
    return this.#devices[index] as BlockDevice;
  }

  claim(index: number): BlockClaim | null {
    return this.#claims[index] ?? null;
  }

  /** Calls back when a device goes, or becomes smaller than what is used of it. */
  watch(usedBytes: (index: number) => number, lost: (index: number) => void): void {
    for (const [index, device] of this.#devices.entries()) {
      const removed = (): void => lost(index);
      const resized = (sizeBytes: number): void => {
        if (sizeBytes < usedBytes(index)) lost(index);
      };
      device.on('remove', removed).on('resize', resized);
      this.#unwatch.push(() => device.off('remove', removed).off('resize', resized));
    }
  }

  poll(): number {
    return pollAll(this.#devices);
  }

  wait(timeoutMs: number, timers: BlockTimers): number | 'EINTR' | 'ETIME' {
    return waitForAny(this.#devices, timeoutMs, timers);
  }

  /** Gives the claims back, and listens no more. */
  release(): void {
    for (const claim of this.#claims) claim?.release();
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
  }
}

/** Completes what can be completed on several devices without blocking. */
export function pollAll(devices: readonly BlockDevice[]): number {
  let count = 0;
  for (let index = 0; index < devices.length; index++) {
    const device = devices[index] as BlockDevice;
    if (device.inFlight > 0) count += device.poll();
  }
  return count;
}

/**
 * Blocks until a request on one of several devices completes. Devices that share the thread's ring wake each other; for those that do not,
 * each is waited for in turn for some milliseconds.
 */
export function waitForAny(devices: readonly BlockDevice[], timeoutMs: number, timers: BlockTimers): number | 'EINTR' | 'ETIME' {
  const deadlineMs = timers.now() + timeoutMs;
  while (true) {
    const busy = countBusy(devices);
    if (busy === 0) return 0;
    for (let index = 0; index < devices.length; index++) {
      const device = devices[index] as BlockDevice;
      if (device.inFlight === 0) continue;
      const left = Math.max(0, deadlineMs - timers.now());
      const ended = device.wait(busy === 1 ? left : Math.min(left, LOOK_EVERY_MS));
      if (ended === 'EINTR' || (typeof ended === 'number' && ended > 0)) return ended;
    }
    if (timers.now() >= deadlineMs) return 'ETIME';
  }
}

function countBusy(devices: readonly BlockDevice[]): number {
  let count = 0;
  for (let index = 0; index < devices.length; index++) if ((devices[index] as BlockDevice).inFlight > 0) count += 1;
  return count;
}

/** What devices of a stack have in common: blocks and alignment that suit all of them. Their own layers split and bounce the rest. */
export function commonLimits(devices: readonly BlockDevice[]): Omit<BlockLimits, 'sizeBytes'> {
  const limits = devices.map((device) => device.limits);
  return {
    blockSizeBytes: limits.reduce((unit, { blockSizeBytes }) => leastCommonMultiple(unit, blockSizeBytes), 1),
    physicalBlockSizeBytes: Math.max(...limits.map((each) => each.physicalBlockSizeBytes)),
    memoryAlignmentBytes: limits.reduce((unit, { memoryAlignmentBytes }) => leastCommonMultiple(unit, memoryAlignmentBytes), 1),
  };
}

/** What all of them can do. Where one tells holes from data, the others' answer is that all is data. */
export function commonCapabilities(devices: readonly BlockDevice[]): BlockCapabilities {
  const all = devices.map(({ capabilities }) => capabilities);
  const progress = all.map((each) => each.progress);
  return {
    readOnly: all.some(({ readOnly }) => readOnly),
    progress: progress.includes('event-loop') ? 'event-loop' : progress.includes('any') ? 'any' : 'none',
    // The children make their writes stable themselves, or their own layers do.
    fua: all.some(({ fua }) => fua === 'none') ? 'none' : 'native',
    zeroes: all.every(({ zeroes }) => zeroes === 'fast')
      ? 'fast'
      : all.some(({ zeroes }) => zeroes !== 'emulate')
        ? 'native'
        : 'emulate',
    discard: all.every(({ discard }) => discard),
    extents: all.some(({ extents }) => extents),
    compareAndWrite: false,
    volatileCache: all.some(({ volatileCache }) => volatileCache),
    nowait: all.every(({ nowait }) => nowait),
    rotational: all.some(({ rotational }) => rotational),
    retry: all.every(({ retry }) => retry),
  };
}

/** The size of a device under a stack, which has to have one. @throws SystemError EINVAL */
export function sizeOfChild(device: BlockDevice, what: string): number {
  const { sizeBytes } = device.limits;
  if (sizeBytes !== null) return sizeBytes;
  throw new SystemError(
    EINVAL,
    what,
    undefined,
    'a device that grows has no end for the next to begin at: open it without growable',
  );
}

/** @throws TypeError ERR_INVALID_ARG_VALUE if these are not so many devices, each once, ERR_INVALID_ARG_TYPE for others; SystemError EBADF */
export function checkDevices(devices: readonly BlockDevice[], least: number, what: string): void {
  checkDeviceList(devices, what);
  const wrong = (message: string): TypeError => Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
  if (devices.length < least) throw wrong(`a ${what} needs at least ${least} devices. Received ${devices.length}`);
  if (new Set(devices).size < devices.length) throw wrong(`a ${what} cannot have the same device twice`);
}

export function floorTo(value: number, unit: number): number {
  return value - (value % unit);
}

function leastCommonMultiple(one: number, other: number): number {
  let [larger, smaller] = [one, other];
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller];
  return (one / larger) * other;
}

/** Closes all of them, and waits for that. The first error is thrown when all are closed. */
export async function closeAll(devices: readonly BlockDevice[]): Promise<void> {
  const results = await Promise.allSettled(devices.map((device) => device.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
