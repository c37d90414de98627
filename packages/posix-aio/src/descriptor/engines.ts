import { EBUSY, ENOSYS, probe, SystemError, threadRing } from '@biodone/uring';
import { outOfRange } from '../file/file-errors.js';
import type { DescriptorEngine } from './descriptor-engine.js';
import { ThreadEngine } from './thread-engine.js';
import { UringEngine } from './uring-engine.js';

/** How requests on descriptors are done. */
export type EngineName = 'auto' | 'uring' | 'threads';

let wanted: EngineName = 'auto';
let uring: UringEngine | null = null;

let threadsForFiles: ThreadEngine | null = null;
let threadsForStreams: ThreadEngine | null = null;

/** @throws SystemError EBUSY for another one than the one in use, ENOSYS for io_uring where there is none; RangeError ERR_OUT_OF_RANGE */
export function chooseEngine(name: EngineName): void {
  if (name !== 'auto' && name !== 'uring' && name !== 'threads') {
    throw outOfRange('engine', "'auto', 'uring' or 'threads'", name);
  }
  const { available, reason } = probe();
  if (name === 'uring' && !available) throw new SystemError(ENOSYS, 'io_uring_setup', undefined, reason ?? undefined);
  const inUse = uring !== null ? 'uring' : threadsForFiles !== null || threadsForStreams !== null ? 'threads' : name;
  if (name !== 'auto' && name !== inUse) {
    throw new SystemError(EBUSY, 'configure', undefined, `requests were made by '${inUse}' already: choose before the first`);
  }
  if (name !== 'auto') wanted = name;
}

/** What does the requests on a file that is a stream, or is none. */
export function engineOf(isStream: boolean): DescriptorEngine {
  if (!usesThreads()) {
    if (uring === null || uring.ring.closing) uring = new UringEngine(threadRing());
    return uring;
  }
  if (isStream) {
    threadsForStreams ??= new ThreadEngine(true);
    return threadsForStreams;
  }
  threadsForFiles ??= new ThreadEngine(false);
  return threadsForFiles;
}

/** From now on requests are gathered, until {@link releaseAll}. */
export function gatherAll(): void {
  if (!usesThreads()) engineOf(false).gather();
  threadsForFiles?.gather();
  threadsForStreams?.gather();
}

export function releaseAll(): void {
  uring?.release();
  threadsForFiles?.release();
  threadsForStreams?.release();
}

function usesThreads(): boolean {
  if (wanted !== 'auto') return wanted === 'threads';
  const { available, reason } = probe();
  if (!available) warnOnce(`io_uring is not available, POSIX AIO uses service threads: ${reason}`);
  return !available;
}

let warned = false;

function warnOnce(message: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(message, { code: 'BIODONE_NO_IO_URING' });
}
