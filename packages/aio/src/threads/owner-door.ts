import { EventLoopDoor, hasEventFd, waitEventFd } from '@biodone/uring';
import { OWNER_SLEEPS } from './memory-layout.js';

/** How the thread that owns a pool is woken by its service threads, in its event loop and out of it. */
export interface OwnerDoor {
  /** The eventfd that wakes it, for `wakeOwner`; -1 where that is done by Atomics.notify. */
  readonly eventFd: number;
  /** The owner is about to return to its event loop, and has said so by OWNER_SLEEPS. */
  arm(): void;
  /** Keeps the process alive, or lets it end. */
  hold(held: boolean): void;
  /** Blocks until the owner is woken. */
  wait(timeoutMs: number): 'ready' | 'EINTR' | 'ETIME';
  close(): void;
}

/**
 * Opens the way in. On Linux it is an eventfd: the event loop polls it, and a wait is poll(2), which signals end. Elsewhere both are futexes.
 *
 * @param onReady called in the event loop
 * @throws SystemError EMFILE, ENFILE, ENOMEM; nothing is open then
 */
export function openOwnerDoor(words: Int32Array, onReady: () => void): OwnerDoor {
  return hasEventFd() ? new EventFdDoor(onReady) : new FutexDoor(words, onReady);
}

class EventFdDoor implements OwnerDoor {
  readonly eventFd: number;
  readonly #door: EventLoopDoor;

  constructor(onReady: () => void) {
    this.#door = new EventLoopDoor(onReady, () => {});
    this.eventFd = this.#door.eventFd;
  }

  arm(): void {
    // The event loop polls the eventfd all the time.
  }

  hold(held: boolean): void {
    this.#door.hold(held);
  }

  wait(timeoutMs: number): 'ready' | 'EINTR' | 'ETIME' {
    return waitEventFd(this.eventFd, timeoutMs);
  }

  close(): void {
    this.#door.close();
  }
}

/** A timer that never goes off within a program's life, to be held. */
const NEVER_MS = 2 ** 31 - 1;

class FutexDoor implements OwnerDoor {
  readonly eventFd = -1;
  readonly #words: Int32Array;
  readonly #onReady: () => void;
  readonly #holder: NodeJS.Timeout;
  #armed = false;

  constructor(words: Int32Array, onReady: () => void) {
    this.#words = words;
    this.#onReady = onReady;
    this.#holder = setInterval(() => {}, NEVER_MS).unref();
  }

  arm(): void {
    if (this.#armed) return;
    // Pairs with the compareExchange in wakeOwner().
    const waiting = waitAsync(this.#words, OWNER_SLEEPS, 1);
    if (!waiting.async) {
      this.#onReady();
      return;
    }
    this.#armed = true;
    waiting.value.then(() => {
      this.#armed = false;
      this.#onReady();
    });
  }

  /** waitAsync does not keep the process alive. */
  hold(held: boolean): void {
    if (held) this.#holder.ref();
    else this.#holder.unref();
  }

  wait(timeoutMs: number): 'ready' | 'ETIME' {
    return Atomics.wait(this.#words, OWNER_SLEEPS, 1, timeoutMs) === 'timed-out' ? 'ETIME' : 'ready';
  }

  close(): void {
    clearInterval(this.#holder);
  }
}

type WaitAsyncResult = { readonly async: false } | { readonly async: true; readonly value: Promise<string> };

/** Atomics.waitAsync (ES2024), which Node 20 has and TypeScript's ES2022 library does not declare. */
const { waitAsync } = Atomics as unknown as { waitAsync(words: Int32Array, index: number, value: number): WaitAsyncResult };
