import { EBADF } from '../errno.js';
import { SystemError } from '../errors.js';
import type { Ring } from '../ring.js';
import type { RingRequest } from '../ring-request.js';
import { MESSAGE_USER_DATA } from '../ring-slots.js';
import { IORING_OP_MSG_RING } from './abi.js';
import { checkWord, outOfRange, prepareWithoutFile } from './prepare.js';

/**
 * Puts a completion into another ring, of this thread or another one: Linux 5.18. It wakes the thread that waits for that ring, which hears
 * of it by {@link Ring.onMessage}. It cannot be a member of a chain, drain or have IOSQE_ASYNC. Completes with 0; fails with EAGAIN behind
 * requests that drain, EBADFD if it is no ring or not ready, EOVERFLOW if the target has no room.
 *
 * @param ring the other ring, or the descriptor of one that another thread owns and keeps open
 * @param data a number of 32 bits
 * @param result another one, signed
 * @throws RangeError ERR_OUT_OF_RANGE; SystemError EBADF if the other ring is closed
 */
export function prepareMessage(request: RingRequest, ring: Ring | number, data: number, result = 0): void {
  checkWord('data', data);
  if ((result | 0) !== result) throw outOfRange('result', 'an integer >= -(2 ** 31) && < 2 ** 31', result);
  const fd = typeof ring === 'number' ? ring : ring.fd;
  // The number may be another ring's by now.
  if (fd < 0) throw new SystemError(EBADF, 'msg_ring', undefined, 'the ring is closed');
  prepareWithoutFile(request, IORING_OP_MSG_RING, fd, 0);
  request.offset = MESSAGE_USER_DATA + data;
  request.lengthBytes = result;
}
