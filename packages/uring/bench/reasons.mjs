// Why a path cannot be measured here; null if it can.
import { probe } from '@biodone/uring';

export function reasonAgainstRings() {
  const { available, reason } = probe();
  return available ? null : reason;
}

/** Of reads past the page cache, of a {@link TestFile}. */
export function reasonAgainstDirect({ noDirect }) {
  return reasonAgainstRings() ?? noDirect;
}
