/** The longest time that a timer of Node takes. */
const TIMER_MAX_MS: number = 2 ** 31 - 1;

/** Calls back after a time however long, never before it, once; null and Infinity are never. Returns what takes that back. */
export function afterTimeout(timeoutMs: number | null, callback: () => void): () => void {
  if (timeoutMs === null || timeoutMs === Number.POSITIVE_INFINITY) return () => {};
  const deadlineMs = performance.now() + timeoutMs;
  let timer: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    timer = setTimeout(look, Math.min(Math.ceil(leftMs), TIMER_MAX_MS));
  };
  // A timer of Node's may go off a millisecond early by this clock.
  const look = (): void => {
    const leftMs = deadlineMs - performance.now();
    if (leftMs > 0) arm(leftMs);
    else callback();
  };
  arm(timeoutMs);
  return () => clearTimeout(timer);
}
