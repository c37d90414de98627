import type { WriteStream } from 'node:tty';

/** One line on the terminal that says what is going on. In a pipe or a file there is none. */
export class Progress {
  readonly #terminal: WriteStream | null;
  #shown = false;

  constructor(stream: WriteStream) {
    this.#terminal = stream.isTTY ? stream : null;
  }

  /** Replaces the line. */
  show(text: string): void {
    if (this.#terminal === null) return;
    // A line that wraps could not be replaced any more. Some terminals do not know their width, and say 0.
    const width = this.#terminal.columns || 80;
    this.#terminal.write(`\r${text.slice(0, width - 1)}\x1b[K`);
    this.#shown = true;
  }

  /** Takes the line away. */
  clear(): void {
    if (!this.#shown) return;
    this.#terminal?.write('\r\x1b[K');
    this.#shown = false;
  }
}
