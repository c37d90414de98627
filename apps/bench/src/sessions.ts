import { IoBuffer } from '@biodone/uring';
import { enginesOf } from './engines/all.js';
import { type Engine, type Session, type Target, Unavailable } from './engines/engine.js';
import { WORKLOADS, type Workload } from './workload/workload.js';

const CLOSE_MS_MAX = 2000;

/** All engines that this machine can have, open on the test file: through the page cache, or past it. */
export class Sessions {
  readonly #cached: OpenSessions = { open: new Map(), reasons: new Map() };
  readonly #direct: OpenSessions = { open: new Map(), reasons: new Map() };

  /** Opens them one after the other, so that none is disturbed by the start of another. */
  static async open(path: string): Promise<Sessions> {
    const sessions = new Sessions();
    const buffer = IoBuffer.allocate(4096);
    try {
      for (const workload of WORKLOADS) {
        for (const engine of enginesOf(workload)) await sessions.#add(engine, { path, buffer, direct: workload.direct });
      }
    } catch (error) {
      await sessions.close();
      throw error;
    }
    return sessions;
  }

  /** The session of an engine, or undefined where it is not available. */
  of(engine: Engine, { direct }: Pick<Workload, 'direct'>): Session | undefined {
    return this.#sessions(direct).open.get(engine);
  }

  /** Why an engine is not available, or null if it is. */
  reasonOf(engine: Engine, { direct }: Pick<Workload, 'direct'>): string | null {
    return this.#sessions(direct).reasons.get(engine) ?? null;
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
    for (const { open } of [this.#cached, this.#direct]) {
      for (const session of open.values()) await session.close();
      open.clear();
    }
  }

  #sessions(direct: boolean): OpenSessions {
    return direct ? this.#direct : this.#cached;
  }

  async #add(engine: Engine, target: Target): Promise<void> {
    const { open, reasons } = this.#sessions(target.direct);
    if (open.has(engine) || reasons.has(engine)) return;
    try {
      open.set(engine, await engine.open(target));
    } catch (error) {
      const reason = reasonAgainst(error, target);
      if (reason === null) throw new Error(`opening ${engine.id}: ${(error as Error).message}`, { cause: error });
      reasons.set(engine, reason);
    }
  }
}

interface OpenSessions {
  readonly open: Map<Engine, Session>;
  readonly reasons: Map<Engine, string>;
}

function reasonAgainst(error: unknown, { direct }: Target): string | null {
  if (error instanceof Unavailable) return error.message;
  // Some file systems, such as older ones in memory, have no disk to go to.
  return direct && (error as NodeJS.ErrnoException).code === 'EINVAL' ? 'the file system has no O_DIRECT' : null;
}
