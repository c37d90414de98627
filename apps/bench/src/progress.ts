import type { WriteStream } from 'node:tty';

/** One line on the terminal that says what is going on. In a pipe or a file there is none, unless it is asked for: then each is a line of its own. */
export class Progress {
  readonly #stream: WriteStream | null;
  #shown = false;

  /** @param always whether to show it also where there is no terminal */
  constructor(stream: WriteStream, always = false) {
    this.#stream = stream.isTTY || always ? stream : null;
  }

  /** Replaces the line. */
  show(text: string): void {
    const stream = this.#stream;
    if (stream === null) return;
    if (!stream.isTTY) {
      stream.write(`${text}\n`);
      return;
    }
    // A line that wraps could not be replaced any more. Some terminals do not know their width, and say 0.
    const width = stream.columns || 80;
    stream.write(`\r${text.slice(0, width - 1)}\x1b[K`);
    this.#shown = true;
  }

  /** Takes the line away. */
  clear(): void {
    if (!this.#shown) return;
    this.#stream?.write('\r\x1b[K');
    this.#shown = false;
  }
}
