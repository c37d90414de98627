/** timeout(1) signals the program and then its group, so one request comes twice, microseconds apart. */
const SAME_REQUEST_MS = 300;

/**
 * Listens for Ctrl-C: `first` is called for the first one, `again` for one that somebody has sent since then because it took too long.
 *
 * @returns what ends the listening
 */
export function onInterrupts(first: () => void, again: () => void): () => void {
  let firstAtMs = Number.NEGATIVE_INFINITY;
  const onInterrupt = (): void => {
    const nowMs = performance.now();
    if (firstAtMs > 0) {
      if (nowMs - firstAtMs > SAME_REQUEST_MS) again();
      return;
    }
    firstAtMs = nowMs;
    first();
  };
  process.on('SIGINT', onInterrupt);
  return () => process.off('SIGINT', onInterrupt);
}
