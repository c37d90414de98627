import type { IoUnit } from './io-unit.js';

/** Whether an I/O touches bytes that another one which is in flight touches too. */
export function overlaps(unit: IoUnit, other: IoUnit): boolean {
  return (
    other.inFlight &&
    other !== unit &&
    other.offset < unit.offset + unit.lengthBytes &&
    unit.offset < other.offset + other.lengthBytes
  );
}
