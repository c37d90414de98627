import { probe } from '@biodone/uring';
import { Unavailable } from './engine.js';

/** For an engine that is nothing without io_uring. @throws Unavailable with the reason */
export function requireIoUring(): void {
  const { available, reason } = probe();
  if (!available) throw new Unavailable(`io_uring is not available: ${reason}`);
}
