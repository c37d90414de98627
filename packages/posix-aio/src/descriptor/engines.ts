import { EBUSY, ENOSYS, probe, SystemError, threadRing } from '@biodone/uring';
import type { DescriptorEngine } from './descriptor-engine.js';
import { UringEngine } from './uring-engine.js';

/** How requests on descriptors are done. */
export type EngineName = 'auto' | 'uring' | 'threads';

let wanted: EngineName = 'auto';
let uring: UringEngine | null = null;

/** @throws SystemError EBUSY for another one than the one in use, ENOSYS */
export function chooseEngine(name: EngineName): void {
  if (name !== 'auto' && name !== 'uring' && name !== 'threads') {
    const message = `The value of "engine" is out of range. It must be 'auto', 'uring' or 'threads'. Received ${String(name)}`;
    throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
  }
  if (name === 'uring' && !probe().available)
    throw new SystemError(ENOSYS, 'io_uring_setup', undefined, probe().reason ?? undefined);
  if (name === 'threads' && uring !== null)
    throw new SystemError(EBUSY, 'configure', undefined, 'requests were made by io_uring already');
  wanted = name;
}

/** What does the requests on a file that is a stream, or is none. */
export function engineOf(_isStream: boolean): DescriptorEngine {
  if (uring === null || uring.ring.closing) uring = new UringEngine(threadRing());
  return uring;
}

/** From now on requests are gathered, until {@link releaseAll}. */
export function gatherAll(): void {
  engineOf(false).gather();
}

export function releaseAll(): void {
  engineOf(false).release();
}
void wanted;
