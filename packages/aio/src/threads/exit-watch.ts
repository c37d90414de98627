import { EXITING } from './memory-layout.js';
import type { ThreadKeeper } from './thread-keeper.js';

// Node waits for its workers when the process exits, or the worker that owns a pool: those that block in a system call are to be woken before.

const live = new Set<ThreadKeeper>();

/** From now on the threads of a pool are told when this thread exits. */
export function watchExit(keeper: ThreadKeeper): void {
  if (live.size === 0) process.once('exit', tellAll);
  live.add(keeper);
}

export function unwatchExit(keeper: ThreadKeeper): void {
  live.delete(keeper);
  if (live.size === 0) process.off('exit', tellAll);
}

function tellAll(): void {
  for (const keeper of live) keeper.tellClosed(EXITING);
  for (const keeper of live) keeper.awaitStart();
}
