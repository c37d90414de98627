import { IOSQE_CQE_SKIP_SUCCESS, IOSQE_IO_HARDLINK, IOSQE_IO_LINK } from './flags.js';
import { IORING_OP_LINK_TIMEOUT } from './opcodes/abi.js';
import type { RingRequest } from './ring-request.js';

/**
 * Requests that run one after the other: io_uring_linked_requests(7).
 *
 * Each starts when the one before has completed. If one fails, or reads or writes less than it was asked to, those after it complete
 * with ECANCELED. After one with `IOSQE_IO_HARDLINK` in its flags the next runs whatever the result. The members are prepared one by one,
 * the chain is started as a whole ({@link ThreadRing.startChain}), and completions come in its order, but for those of link timeouts. It can be prepared and started again
 * when all members have completed.
 *
 * A member with `IOSQE_CQE_SKIP_SUCCESS` completes only if it fails; that it has succeeded shows in the completion of a later one. So the
 * last member cannot have it, nor one after a softly linked member without it, nor a chain with a link timeout, whose completions come in
 * another order.
 *
 * A member that still waits for those before it cannot be cancelled by itself: cancel the one that runs.
 *
 * @example
 * ```js
 * import { IOSQE_CQE_SKIP_SUCCESS, prepareNop, probe, RequestChain, RingRequest, ThreadRing } from '@biodone/uring';
 *
 * class Step extends RingRequest {
 *   constructor(name) {
 *     super();
 *     this.name = name;
 *   }
 *   complete(result) {
 *     console.log(this.name, result);
 *   }
 * }
 *
 * if (probe().available) {
 *   const ring = new ThreadRing();
 *   const steps = [new Step('first'), new Step('second')];
 *   for (const step of steps) prepareNop(step);
 *   steps[0].flags |= IOSQE_CQE_SKIP_SUCCESS;
 *   ring.startChain(new RequestChain(steps));
 *   ring.wait(1000); // second 0
 *   await ring.close();
 * }
 * ```
 */
export class RequestChain {
  readonly requests: readonly RingRequest[];

  /** @throws TypeError ERR_INVALID_ARG_VALUE for less than two requests, or one that is in it twice */
  constructor(requests: readonly RingRequest[]) {
    if (requests.length < 2) throw invalid(`a chain has at least two requests, not ${requests.length}`);
    if (new Set(requests).size < requests.length) throw invalid('a chain cannot have the same request twice');
    this.requests = [...requests];
  }

  /**
   * Checks the members.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE for a use of IOSQE_CQE_SKIP_SUCCESS that leaves nobody to tell what came of the members
   * @internal
   */
  check(): void {
    const { requests } = this;
    const last = requests.length - 1;
    const skips = requests.some(({ flags }) => (flags & IOSQE_CQE_SKIP_SUCCESS) !== 0);
    if (skips && ((requests[last] as RingRequest).flags & IOSQE_CQE_SKIP_SUCCESS) !== 0) {
      throw invalid(
        'the last request of a chain cannot have IOSQE_CQE_SKIP_SUCCESS: its completion tells that the others are done',
      );
    }
    if (skips && requests.some(({ opcode }) => opcode === IORING_OP_LINK_TIMEOUT)) {
      throw invalid('a chain with a link timeout cannot have IOSQE_CQE_SKIP_SUCCESS');
    }
    // If the first failed, the kernel would tell of each member after it; if the second did, of none. Both can look the same.
    const told = requests.findIndex(({ flags }) => (flags & (IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_HARDLINK)) === 0);
    if (skips && requests.slice(told).some(({ flags }) => (flags & IOSQE_CQE_SKIP_SUCCESS) !== 0)) {
      throw invalid('after a request without IOSQE_CQE_SKIP_SUCCESS that is softly linked none can have it');
    }
  }

  /** Makes the members links of this chain. Called by the ring when the chain is started. @internal */
  forge(): void {
    const { requests } = this;
    const last = requests.length - 1;
    for (const [index, request] of requests.entries()) {
      request.chain = this;
      if (index === last) request.flags &= ~(IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
      else if ((request.flags & IOSQE_IO_HARDLINK) === 0) request.flags |= IOSQE_IO_LINK;
    }
  }

  /** Takes the members out again, if they could not be started. @internal */
  dissolve(): void {
    for (const request of this.requests) {
      request.chain = null;
      request.flags &= ~IOSQE_IO_LINK;
    }
  }
}

function invalid(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
