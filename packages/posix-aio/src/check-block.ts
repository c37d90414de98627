import { inspect } from 'node:util';
import { EINVAL, SystemError } from '@biodone/uring';
import { requestIn } from './aio-error.js';
import { type AioRequest, REQUEST_IN_PROGRESS } from './aio-request.js';
import type { aiocb } from './aiocb.js';
import { limits } from './limits.js';

/** The kernel's UIO_MAXIOV. */
const PARTS_MAX = 1024;

const NO_MEMORY =
  'aio_buf is no Uint8Array: make one that shares the memory, with its buffer, byteOffset and byteLength; an IoBuffer has its bytes';

/** The block's part of ours. @throws SystemError EINVAL for what is no block, or for one whose request is in progress */
export function requestOf(cb: aiocb, syscall: string): AioRequest {
  const request = requestIn(cb, syscall);
  if (request.status === REQUEST_IN_PROGRESS) {
    throw new SystemError(
      EINVAL,
      syscall,
      undefined,
      'this control block has a request in progress: use another one, or wait for it',
    );
  }
  return request;
}

/** What is wrong with the members of a read or write, and the way out; null for nothing. */
export function faultIn({ aio_buf, aio_nbytes, aio_offset, aio_reqprio, aio_iov }: aiocb, vectored: boolean): string | null {
  // Integers that are not exact are refused, or refused by the file, beyond the largest offset.
  if (!Number.isInteger(aio_offset) || aio_offset < 0) return `aio_offset is ${inspect(aio_offset)}, no integer of at least 0`;
  if (!Number.isInteger(aio_reqprio) || aio_reqprio < 0 || aio_reqprio > limits.AIO_PRIO_DELTA_MAX) {
    return `aio_reqprio is ${inspect(aio_reqprio)}, not 0 to AIO_PRIO_DELTA_MAX, which is ${limits.AIO_PRIO_DELTA_MAX}`;
  }
  if (vectored) return faultInParts(aio_iov);
  if (!Number.isSafeInteger(aio_nbytes) || aio_nbytes < 0) return `aio_nbytes is ${inspect(aio_nbytes)}, no count of bytes`;
  if (aio_nbytes === 0) return null;
  if (!(aio_buf instanceof Uint8Array)) return NO_MEMORY;
  return aio_buf.byteLength < aio_nbytes
    ? `aio_buf has ${aio_buf.byteLength} bytes, less than the ${aio_nbytes} of aio_nbytes`
    : null;
}

function faultInParts(parts: readonly Uint8Array[] | null): string | null {
  if (!Array.isArray(parts) || parts.length === 0 || parts.length > PARTS_MAX)
    return `aio_iov is no array of 1 to ${PARTS_MAX} parts`;
  const wrong = parts.findIndex((part) => !(part instanceof Uint8Array));
  return wrong < 0 ? null : `aio_iov[${wrong}] is no Uint8Array`;
}
