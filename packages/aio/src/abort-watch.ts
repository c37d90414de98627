interface Watched<T> {
  readonly targets: Set<T>;
  readonly end: () => void;
}

/**
 * Who is to be ended by which signal, and how. One listener a signal, however many operations it is given to: Node warns of more than ten. A signal
 * that outlives them all holds nothing of them, nor their pool.
 */
export class AbortWatch<T> {
  readonly #end: (target: T) => void;
  readonly #watched = new WeakMap<AbortSignal, Watched<T>>();

  constructor(end: (target: T) => void) {
    this.#end = end;
  }

  /** Ends `target` when the signal is aborted, which it has not been. */
  add(signal: AbortSignal, target: T): void {
    const watched = this.#watched.get(signal) ?? this.#watch(signal);
    watched.targets.add(target);
  }

  remove(signal: AbortSignal, target: T): void {
    const watched = this.#watched.get(signal);
    if (watched === undefined || !watched.targets.delete(target) || watched.targets.size > 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watched.end);
  }

  #watch(signal: AbortSignal): Watched<T> {
    const targets = new Set<T>();
    const end = (): void => {
      for (const each of [...targets]) this.#end(each);
    };
    const watched = { targets, end };
    this.#watched.set(signal, watched);
    signal.addEventListener('abort', end, { once: true });
    return watched;
  }
}
