import type { aiocb } from './aiocb.js';
import { SIGEV_KEVENT } from './constants.js';
import type { CompletionQueue, sigevent } from './sigevent.js';

/** What an {@link AioEvents} tells of: a request that is done, or a list of them. */
export class AioCompletionEvent extends Event {
  /** The request's control block, to be asked by `aio_error` and `aio_return`; null if it is about a list. */
  readonly aiocb: aiocb | null;
  /** The `sigev_value` that was asked for. */
  readonly value: unknown;

  constructor(cb: aiocb | null, value: unknown) {
    super('completion');
    this.aiocb = cb;
    this.value = value;
  }
}

/**
 * Completions as events, as FreeBSD's SIGEV_KEVENT has them in a kqueue(2): an EventTarget with the event `'completion'`, and an async iterator
 * of the same. Events come from the event loop, or from the thread while it blocks in one of this package's calls, in the order of the
 * completions.
 *
 * Requests in progress keep the process alive; waiting for an event does not.
 *
 * @example
 * ```js
 * import { openSync } from 'node:fs';
 * import { AioEvents, aio_read, aio_return, aiocb } from '@biodone/posix-aio';
 *
 * const events = new AioEvents();
 * const cb = new aiocb();
 * Object.assign(cb, { aio_fildes: openSync(process.execPath, 'r'), aio_buf: Buffer.alloc(4), aio_nbytes: 4 });
 * cb.aio_sigevent = events.notification('the beginning');
 * aio_read(cb);
 * for await (const event of events) {
 *   console.log(event.value, aio_return(event.aiocb)); // the beginning 4
 *   break;
 * }
 * ```
 */
export class AioEvents extends EventTarget implements CompletionQueue {
  readonly #waiting: AioCompletionEvent[] = [];
  readonly #iterations = new Set<Iteration>();

  /** What to put into `aio_sigevent`. @param value comes with the event */
  notification(value?: unknown): sigevent {
    return { sigev_notify: SIGEV_KEVENT, sigev_notify_kqueue: this, sigev_value: value };
  }

  /**
   * The events from now on, as they come. What comes while the loop's body runs is kept; a loop that is left forgets what it has not had. Several
   * loops at a time share the events.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<AioCompletionEvent> {
    const iteration = new Iteration();
    this.#iterations.add(iteration);
    const end = (): Promise<IteratorResult<AioCompletionEvent>> => {
      this.#iterations.delete(iteration);
      iteration.end();
      if (this.#iterations.size === 0) this.#waiting.length = 0;
      return Promise.resolve(DONE);
    };
    return {
      next: () => iteration.next(this.#waiting),
      return: end,
      throw: end,
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** A completion, for the library alone. @internal */
  post(cb: object | null, value: unknown): void {
    const event = new AioCompletionEvent(cb as aiocb | null, value);
    if (!this.#hand(event) && this.#iterations.size > 0) this.#waiting.push(event);
    this.dispatchEvent(event);
  }

  /** Gives an event to the first loop that waits for one. */
  #hand(event: AioCompletionEvent): boolean {
    for (const iteration of this.#iterations) if (iteration.take(event)) return true;
    return false;
  }
}

const DONE: IteratorResult<AioCompletionEvent> = { done: true, value: undefined };

/** What one loop waits for. */
class Iteration {
  #isOver = false;
  readonly #takers: ((result: IteratorResult<AioCompletionEvent>) => void)[] = [];

  next(waiting: AioCompletionEvent[]): Promise<IteratorResult<AioCompletionEvent>> {
    if (this.#isOver) return Promise.resolve(DONE);
    const value = waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  take(value: AioCompletionEvent): boolean {
    const taker = this.#takers.shift();
    taker?.({ done: false, value });
    return taker !== undefined;
  }

  end(): void {
    this.#isOver = true;
    for (const taker of this.#takers.splice(0)) taker(DONE);
  }
}
