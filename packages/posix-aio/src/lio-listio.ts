import { BLOCK_READ, BLOCK_WRITE, type BlockOperation } from '@biodone/blockdev';
import { EINVAL, EIO, SystemError } from '@biodone/uring';
import { type AioRequest, REQUEST_IN_PROGRESS } from './aio-request.js';
import type { AioList } from './aio-suspend.js';
import type { aiocb } from './aiocb.js';
import { blockUntil } from './blocking-wait.js';
import { faultIn, requestOf } from './check-block.js';
import { LIO_NOP, LIO_NOWAIT, LIO_READ, LIO_READV, LIO_WAIT, LIO_WRITE, LIO_WRITEV } from './constants.js';
import { gatherAll, releaseAll } from './descriptor/engines.js';
import { limits } from './limits.js';
import { notificationOf } from './notification.js';
import type { RequestList } from './request-list.js';
import { leaveList } from './requests.js';
import type { sigevent } from './sigevent.js';
import { checkRoom, fail, type Known, look, startTransfer } from './submit.js';
import { poolFor } from './target.js';

/**
 * Starts a list of requests, which reach the kernel by one system call, but for those that must wait for another one (streams,
 * appends, fsync). As lio_listio(3p). Null entries and `LIO_NOP`
 * are ignored, the order of execution is not promised, and what fails does not stop the others: each entry has a state of its own, and tells of its
 * end by its own `aio_sigevent`.
 *
 * @param mode `LIO_WAIT` blocks the thread until all are done, as `aio_suspend` does; `LIO_NOWAIT` returns at once
 * @param sig with `LIO_NOWAIT`: told once, when all are done, at once if there are none; null for nothing
 * @throws SystemError EINVAL for another mode, more than `AIO_LISTIO_MAX` entries, an entry that is no aiocb, is there twice or in progress, or a bad
 * `sigevent`; EAGAIN beyond AIO_MAX: nothing is initiated then. EIO if an entry was refused (its opcode or a member is wrong, which `aio_error` calls
 * EINVAL; EAGAIN for want of descriptors) or, with `LIO_WAIT`, has failed. EINTR after a signal in `LIO_WAIT`: the requests go on
 */
export function lio_listio(mode: number, list: AioList, sig: sigevent | null = null): void {
  if (mode !== LIO_WAIT && mode !== LIO_NOWAIT) {
    throw new SystemError(EINVAL, 'lio_listio', undefined, `mode is ${mode}, neither LIO_WAIT nor LIO_NOWAIT`);
  }
  const { state, requests, refused } = submitList(list, mode === LIO_NOWAIT ? sig : null);
  if (mode === LIO_WAIT && state.left > 0) {
    blockUntil(
      () => state.left === 0,
      () => requests.filter(({ status }) => status === REQUEST_IN_PROGRESS),
      null,
      'lio_listio',
    );
  }
  if (refused > 0 || (mode === LIO_WAIT && state.failed > 0)) throw someFailed();
}

/**
 * As {@link lio_listio} with `LIO_WAIT`, without blocking the thread.
 *
 * @throws (rejects) as lio_listio, but for EINTR
 */
export async function lio_listioAsync(list: AioList): Promise<void> {
  const { state } = submitList(list, null);
  if (state.left > 0) {
    await new Promise<void>((resolve) => {
      state.onDone = resolve;
    });
  }
  if (state.failed > 0) throw someFailed();
}

interface Submitted {
  readonly state: RequestList;
  readonly requests: readonly AioRequest[];
  /** How many entries were not queued, for what is wrong with them and not with their files. */
  readonly refused: number;
}

/** The operations by their opcodes; undefined for what is none. */
const OPERATIONS: (BlockOperation | undefined)[] = [];
OPERATIONS[LIO_READ] = BLOCK_READ;
OPERATIONS[LIO_WRITE] = BLOCK_WRITE;
OPERATIONS[LIO_NOP] = undefined;
OPERATIONS[LIO_READV] = BLOCK_READ;
OPERATIONS[LIO_WRITEV] = BLOCK_WRITE;

function submitList(list: AioList, sig: sigevent | null): Submitted {
  const state: RequestList = { left: 1, failed: 0, notification: notificationOf(sig, 'lio_listio'), onDone: null };
  const requests = admit(list, state);
  let refused = 0;
  let known: Known | null = null;
  gatherAll();
  try {
    for (const request of requests) {
      const cb = request.cb as aiocb;
      state.left += 1;
      known = look(cb.aio_fildes, known);
      if (!startEntry(cb, request, known)) refused += 1;
    }
  } finally {
    releaseAll();
  }
  leaveList(state);
  return { state, requests, refused };
}

/** The requests of a list, all of which can be started: until here nothing has been initiated (G9). */
function admit(list: AioList, state: RequestList): AioRequest[] {
  if (!Array.isArray(list) || list.length > limits.AIO_LISTIO_MAX) {
    const advice = `the list is no array of at most AIO_LISTIO_MAX entries, which is ${limits.AIO_LISTIO_MAX}`;
    throw new SystemError(EINVAL, 'lio_listio', undefined, advice);
  }
  const requests: AioRequest[] = [];
  try {
    for (const cb of list as AioList) {
      if (cb === null || cb === undefined || cb.aio_lio_opcode === LIO_NOP) continue;
      const request = requestOf(cb, 'lio_listio');
      if (request.list === state) throw new SystemError(EINVAL, 'lio_listio', undefined, 'a control block is in the list twice');
      request.list = state;
      requests.push(request);
      request.notification = notificationOf(cb.aio_sigevent, 'lio_listio');
      if (typeof cb.aio_fildes !== 'number') poolFor(cb.aio_fildes, 'lio_listio');
    }
    checkRoom(requests.length, 'lio_listio');
    return requests;
  } catch (error) {
    for (const request of requests) {
      request.list = null;
      request.notification = null;
    }
    throw error;
  }
}

/** Starts an entry. False if it is not queued: then its error says why. */
function startEntry(cb: aiocb, request: AioRequest, known: Known | null): boolean {
  const { aio_lio_opcode: opcode } = cb;
  const operation = OPERATIONS[opcode];
  const vectored = opcode >= LIO_READV;
  let error = operation === undefined || faultIn(cb, vectored) !== null ? EINVAL : 0;
  if (error === 0) error = startTransfer(cb, request, operation as BlockOperation, vectored, known, 'lio_listio');
  if (error !== 0) fail(request, error);
  return error === 0;
}

function someFailed(): SystemError {
  return new SystemError(EIO, 'lio_listio', undefined, 'a request has failed: aio_error tells which, and why');
}
