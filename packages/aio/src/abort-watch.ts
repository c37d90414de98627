/** Where a target stands among those that its signal ends: a part of the target. */
export interface AbortPlace<T> {
  signalNext: T | null;
  signalPrevious: T | null;
}

/** Those that one signal ends, in the order in which they were given to it: a list through the targets, so that adding one makes no object. */
interface Watched<T> {
  first: T | null;
  last: T | null;
  readonly end: () => void;
}

/**
 * Who is to be ended by which signal, and how. One listener a signal, however many operations it is given to: Node warns of more than ten. A signal
 * that outlives them all holds nothing of them, nor their pool.
 */
export class AbortWatch<T> {
  readonly #end: (target: T) => void;
  readonly #placeOf: (target: T) => AbortPlace<T>;
  readonly #watched = new WeakMap<AbortSignal, Watched<T>>();

  constructor(end: (target: T) => void, placeOf: (target: T) => AbortPlace<T>) {
    this.#end = end;
    this.#placeOf = placeOf;
  }

  /** Ends `target` when the signal is aborted, which it has not been. */
  add(signal: AbortSignal, target: T): void {
    const watched = this.#watched.get(signal) ?? this.#watch(signal);
    const { last } = watched;
    this.#placeOf(target).signalPrevious = last;
    if (last === null) watched.first = target;
    else this.#placeOf(last).signalNext = target;
    watched.last = target;
  }

  /** One that has been added, once. */
  remove(signal: AbortSignal, target: T): void {
    const watched = this.#watched.get(signal);
    if (watched === undefined) return;
    const place = this.#placeOf(target);
    const { signalNext: next, signalPrevious: previous } = place;
    if (previous === null) watched.first = next;
    else this.#placeOf(previous).signalNext = next;
    if (next === null) watched.last = previous;
    else this.#placeOf(next).signalPrevious = previous;
    place.signalNext = null;
    place.signalPrevious = null;
    if (watched.first !== null) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watched.end);
  }

  #watch(signal: AbortSignal): Watched<T> {
    const watched: Watched<T> = { first: null, last: null, end: () => this.#endAll(watched) };
    this.#watched.set(signal, watched);
    signal.addEventListener('abort', watched.end, { once: true });
    return watched;
  }

  /** Those that there are: what is ended takes itself out, and others with it. */
  #endAll({ first }: Watched<T>): void {
    const targets: T[] = [];
    for (let target = first; target !== null; target = this.#placeOf(target).signalNext) targets.push(target);
    for (const target of targets) this.#end(target);
  }
}
