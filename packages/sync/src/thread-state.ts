import { LAYOUT_VERSION } from './version.js';

/** What this package remembers in each thread. */
export interface ThreadState {
  /** The callbacks that wait, by the key of their primitive and parking place. */
  readonly queues: Map<number, { schedule(): void }>;
  /** How many of those queues wait for this thread's own `exit()`. */
  localWaits: number;
  /** How many primitives this thread has laid out. */
  initializations: number;
  /** How many times this thread holds each reader/writer lock as a reader, by the lock's key. */
  readonly readHolds: Map<number, number>;
}

// Two copies of this package in one program share the state of a thread: what one of them waits for, the other may free.
const stateKey = Symbol.for(`@biodone/sync thread state ${LAYOUT_VERSION}`);

const holder = globalThis as unknown as Record<symbol, ThreadState | undefined>;

holder[stateKey] ??= { queues: new Map(), localWaits: 0, initializations: 0, readHolds: new Map() };

/** The state of this thread. */
export const threadState: ThreadState = holder[stateKey];
