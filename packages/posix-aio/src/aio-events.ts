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
  #wake: (() => void) | null = null;
  #iterators = 0;

  /** What to put into `aio_sigevent`. @param value comes with the event */
  notification(value?: unknown): sigevent {
    return { sigev_notify: SIGEV_KEVENT, sigev_notify_kqueue: this, sigev_value: value };
  }

  /**
   * The events from now on, as they come. What comes while the loop's body runs is kept; a loop that is left forgets what it has not had. Several
   * loops at a time share the events.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<AioCompletionEvent> {
    this.#iterators += 1;
    const end = (): Promise<IteratorResult<AioCompletionEvent>> => {
      this.#iterators -= 1;
      if (this.#iterators === 0) this.#waiting.length = 0;
      return Promise.resolve({ done: true, value: undefined });
    };
    return {
      next: async () => {
        while (this.#waiting.length === 0) {
          await new Promise<void>((resolve) => {
            const before = this.#wake;
            this.#wake = () => {
              before?.();
              resolve();
            };
          });
        }
        return { done: false, value: this.#waiting.shift() as AioCompletionEvent };
      },
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
    if (this.#iterators > 0) this.#waiting.push(event);
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
    this.dispatchEvent(event);
  }
}
