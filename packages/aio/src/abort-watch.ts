/** Who is to be ended by which signal, and how. One listener a signal, however many operations it is given to: Node warns of more than ten. */
export class AbortWatch<T> {
  readonly #end: (target: T) => void;
  readonly #targets = new WeakMap<AbortSignal, Set<T>>();

  constructor(end: (target: T) => void) {
    this.#end = end;
  }

  /** Ends `target` when the signal is aborted, which it has not been. */
  add(signal: AbortSignal, target: T): void {
    let targets = this.#targets.get(signal);
    if (targets === undefined) {
      targets = new Set();
      this.#targets.set(signal, targets);
      const all = targets;
      const end = (): void => {
        for (const each of [...all]) this.#end(each);
      };
      signal.addEventListener('abort', end, { once: true });
    }
    targets.add(target);
  }

  remove(signal: AbortSignal, target: T): void {
    this.#targets.get(signal)?.delete(target);
  }
}
