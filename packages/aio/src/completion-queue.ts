import { TailQueue } from '@biodone/sync';
import type { AioOp } from './aio-op.js';

/** Completions that nobody has taken yet, and iterators that wait for one. */
export class CompletionQueue {
  readonly #done = new TailQueue<AioOp>();
  /** Whom to tell of the next completion, or of the end. */
  readonly #listeners = new Set<() => void>();
  /** That of the class that the pool belongs to, which has no completions of its own. */
  parent: CompletionQueue | null = null;

  get length(): number {
    return this.#done.length;
  }

  put(op: AioOp): void {
    this.#done.insertTail(op);
    this.tell();
  }

  take(): AioOp | null {
    return this.#done.removeFirst();
  }

  remove(op: AioOp): void {
    this.#done.remove(op);
  }

  /** Something has come, or nothing will come any more. */
  tell(): void {
    this.parent?.tell();
    if (this.#listeners.size === 0) return;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Iterates over what `reap` gives, until `ended` says that nothing will come any more. */
  iterate(reap: () => AioOp | null, ended: () => boolean): AsyncIterableIterator<AioOp> {
    return new Completions(this.#listeners, reap, ended);
  }
}

type Result = IteratorResult<AioOp, undefined>;

/** A completion is taken only for a `next` that asks for one, so that an iterator that is given up has none that would be lost. */
class Completions implements AsyncIterableIterator<AioOp, undefined> {
  readonly #listeners: Set<() => void>;
  readonly #reap: () => AioOp | null;
  readonly #ended: () => boolean;
  readonly #listener = (): void => this.#serve();
  /** Calls of `next` that wait, in order. */
  readonly #asking: ((result: Result) => void)[] = [];
  #over = false;

  constructor(listeners: Set<() => void>, reap: () => AioOp | null, ended: () => boolean) {
    this.#listeners = listeners;
    this.#reap = reap;
    this.#ended = ended;
  }

  next(): Promise<Result> {
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#serve();
    });
  }

  return(): Promise<Result> {
    this.#over = true;
    this.#serve();
    return Promise.resolve(END);
  }

  throw(error: unknown): Promise<Result> {
    this.return();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serve(): void {
    while (this.#asking.length > 0) {
      const op = this.#over ? null : this.#reap();
      this.#over ||= op === null && this.#ended();
      if (op === null && !this.#over) break;
      const resolve = this.#asking.shift() as (result: Result) => void;
      resolve(op === null ? END : { done: false, value: op });
    }
    if (this.#asking.length > 0) this.#listeners.add(this.#listener);
    else this.#listeners.delete(this.#listener);
  }
}

const END: Result = { done: true, value: undefined };
