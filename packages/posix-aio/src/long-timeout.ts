/** The longest time that a timer of Node takes. */
const TIMER_MAX_MS: number = 2 ** 31 - 1;

/** Calls back after a time however long, once; null and Infinity are never. Returns what takes that back. */
export function afterTimeout(timeoutMs: number | null, callback: () => void): () => void {
  if (timeoutMs === null || timeoutMs === Number.POSITIVE_INFINITY) return () => {};
  const deadlineMs = performance.now() + timeoutMs;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = deadlineMs - performance.now();
    timer = leftMs > TIMER_MAX_MS ? setTimeout(arm, TIMER_MAX_MS) : setTimeout(callback, Math.max(leftMs, 0));
  };
  arm();
  return () => clearTimeout(timer);
}
