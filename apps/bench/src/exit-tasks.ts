const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * What must be done however the program ends: at its end, after an error that nobody caught, after Ctrl-C. After a signal the process dies of
 * that signal, so that a shell script that runs it stops too.
 */
export class ExitTasks {
  /** In the order of their addition; run from the last to the first. */
  readonly #tasks = new Set<() => void>();

  /** @param signals those that end the program; who handles signals otherwise gives none */
  constructor(signals: readonly NodeJS.Signals[] = SIGNALS) {
    process.once('exit', () => this.run());
    for (const signal of signals) {
      // Once: with the listener gone the signal has its default effect again.
      process.once(signal, () => {
        this.run();
        process.kill(process.pid, signal);
      });
    }
  }

  /** Adds a task, which must be synchronous. The function that is returned runs it ahead of time, and at most once in all. */
  add(task: () => void): () => void {
    const once = (): void => {
      if (this.#tasks.delete(once)) task();
    };
    this.#tasks.add(once);
    return once;
  }

  /** Runs all tasks. */
  run(): void {
    for (const task of [...this.#tasks].reverse()) task();
  }
}
