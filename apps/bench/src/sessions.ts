import { IoBuffer } from '@biodone/uring';
import { ENGINES } from './engines/all.js';
import { type Engine, type Session, Unavailable } from './engines/engine.js';

const CLOSE_MS_MAX = 2000;

/** All engines that this machine can have, open on the test file. */
export class Sessions {
  readonly #open = new Map<Engine, Session>();
  readonly #reasons = new Map<Engine, string>();

  /** Opens them one after the other, so that none is disturbed by the start of another. */
  static async open(path: string): Promise<Sessions> {
    const sessions = new Sessions();
    const target = { path, buffer: IoBuffer.allocate(4096) };
    try {
      for (const engine of ENGINES) await sessions.#add(engine, () => engine.open(target));
    } catch (error) {
      await sessions.close();
      throw error;
    }
    return sessions;
  }

  /** The session of an engine, or undefined where it is not available. */
  of(engine: Engine): Session | undefined {
    return this.#open.get(engine);
  }

  /** Why an engine is not available, or null if it is. */
  reasonOf(engine: Engine): string | null {
    return this.#reasons.get(engine) ?? null;
  }

  /** Closes all of them, but waits no longer than a moment for one that has lost an I/O, or the program would never end. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS_MAX);
    });
    await Promise.race([this.#closeAll(), patience]);
    clearTimeout(timer);
  }

  async #closeAll(): Promise<void> {
    for (const session of this.#open.values()) await session.close();
    this.#open.clear();
  }

  async #add(engine: Engine, open: () => Promise<Session>): Promise<void> {
    try {
      this.#open.set(engine, await open());
    } catch (error) {
      if (!(error instanceof Unavailable)) {
        throw new Error(`opening ${engine.id}: ${(error as Error).message}`, { cause: error });
      }
      this.#reasons.set(engine, error.message);
    }
  }
}
