/**
 * A place in a ring's table of registered files that a file has got by itself: see {@link HotFiles}. It does not know the file, which the
 * ring would keep from being collected otherwise.
 */
export interface HotPlace {
  /** The table; null when the place has been given up, or the ring is closed. */
  owner: object | null;
  /** The index in the table. */
  readonly index: number;
  /** Makes the table let go of the open file. */
  giveUp(): void;
}

/** What there is to give back when a file is closed, or collected. It does not know the file either. */
export class HeldDescriptor {
  readonly fd: number;
  readonly path: string | undefined;
  place: HotPlace | null = null;
  readonly #close: ((fd: number) => void) | null;

  /** @param close null for a descriptor that somebody else closes */
  constructor(fd: number, path: string | undefined, close: ((fd: number) => void) | null) {
    this.fd = fd;
    this.path = path;
    this.#close = close;
  }

  /** Whether nobody else closes the descriptor. */
  get owned(): boolean {
    return this.#close !== null;
  }

  /** The place goes first: the open file lives on, with its locks and its space, while the table has it. */
  giveBack(): void {
    try {
      this.place?.giveUp();
    } finally {
      this.#close?.(this.fd);
    }
  }
}

// A file that requests hold is reachable from the ring, so what is collected has none under way.
const collected = new FinalizationRegistry<HeldDescriptor>((held) => {
  const { fd, path, owned } = held;
  const name = path === undefined ? `descriptor ${fd}` : `'${path}'`;
  const warning = `A file was collected while open, and is closed now: ${name}`;
  if (owned) process.emitWarning(warning, { code: 'BIODONE_FILE_COLLECTED' });
  try {
    held.giveBack();
  } catch {
    // Somebody else has closed it, against the rule; there is nobody to tell but the warning.
  }
});

/** Gives back what a file holds if it is collected. */
export function giveBackIfCollected(file: object, held: HeldDescriptor): void {
  collected.register(file, held, file);
}

/** The file gives back what it holds itself. */
export function forgetCollection(file: object): void {
  collected.unregister(file);
}
