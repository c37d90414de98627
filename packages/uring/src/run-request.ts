import { EBADF, ECANCELED } from './errno.js';
import { SystemError } from './errors.js';
import { OPERATION_NAMES } from './opcodes/abi.js';
import { isMultishot } from './opcodes/multishot.js';
import { RingRequest } from './ring-request.js';

/** What starts and cancels requests: a ThreadRing. */
export interface RequestRunner {
  start(request: RingRequest): void;
  cancel(request: RingRequest): void;
}

/** One request as a promise: see {@link ThreadRing.run}. */
export function runRequest(ring: RequestRunner, prepare: (request: RingRequest) => void, signal?: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new PromisedRequest(resolve, reject, signal);
    prepare(request);
    if (isMultishot(request)) throw multishot();
    ring.start(request);
    request.listen(ring);
  });
}

class PromisedRequest extends RingRequest {
  readonly #resolve: (result: number) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | null = null;

  constructor(resolve: (result: number) => void, reject: (error: unknown) => void, signal: AbortSignal | undefined) {
    super();
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
  }

  listen(ring: RequestRunner): void {
    if (this.#signal === undefined) return;
    this.#onAbort = () => ring.cancel(this);
    if (this.#signal.aborted) this.#onAbort();
    else this.#signal.addEventListener('abort', this.#onAbort);
  }

  override complete(result: number): void {
    if (this.#onAbort !== null) this.#signal?.removeEventListener('abort', this.#onAbort);
    if (result >= 0) this.#resolve(result);
    else if (result === -ECANCELED && this.#signal?.aborted) this.#reject(this.#signal.reason);
    else this.#reject(requestError(this, result));
  }
}

function multishot(): TypeError {
  const message = 'a multishot request completes many times, a promise once: start a RingRequest of your own';
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

/** A request's negative result as an error, with the operation as `syscall` and the path of its file. */
export function requestError(request: RingRequest, result: number): SystemError {
  const { opcode, path, fd, file } = request;
  // The number is all that there is to name; for other errors it may be that of a duplicate.
  const advice = result === -EBADF && path === undefined && file === null ? `descriptor ${fd}` : undefined;
  return new SystemError(-result, OPERATION_NAMES[opcode] ?? `operation ${opcode}`, path, advice);
}
