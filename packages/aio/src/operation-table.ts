import { EINVAL, SystemError } from '@biodone/uring';
import { AIO_FREE, AIO_IDLE, AioOp, OBJECTS_MAX } from './aio-op.js';
import { ESRCH } from './errno.js';
import { outOfRange } from './errors.js';

/** The operations that a pool has made, and those of others that have been submitted to it: who is there, and who is free. */
export class OperationTable {
  readonly #made: AioOp[] = [];
  /** A stack on an array that never shrinks: a list through the operations would touch their neighbours. */
  readonly #free: (AioOp | null)[] = [];
  #freeCount = 0;
  /**
   * Operations that belong to no pool, by their numbers, which come again: an old one may have the same as a new one. Nobody takes them back, so they are
   * held weakly, and those that are gone are looked for now and then.
   */
  readonly #guests = new Map<number, Guest>();
  #sweepAt = 64;

  /** The operation that was put back last, which is most likely in the processor's cache; or a new one. */
  allocate(): AioOp {
    if (this.#freeCount === 0) return this.#make();
    this.#freeCount -= 1;
    const op = this.#free[this.#freeCount] as AioOp;
    op.phase = AIO_IDLE;
    return op;
  }

  /** Takes an operation back that was told, or has never been submitted. */
  putBack(op: AioOp): void {
    op.reset();
    op.phase = AIO_FREE;
    this.#free[this.#freeCount] = op;
    this.#freeCount += 1;
  }

  /** Whether an operation is one that this pool has made. */
  owns(op: AioOp): boolean {
    return this.#made[op.number] === op;
  }

  /** Remembers an operation of somebody's own. */
  adopt(op: AioOp): void {
    const first = this.#guests.get(op.number) ?? null;
    for (let guest = first; guest !== null; guest = guest.next) if (guest.ref.deref() === op) return;
    this.#guests.set(op.number, { ref: new WeakRef(op), next: first });
    if (this.#guests.size >= this.#sweepAt) this.#sweep();
  }

  /**
   * The operation that an id names; null if that use of it is over.
   *
   * @throws SystemError ESRCH for an id that no operation here can have had
   */
  find(id: number): AioOp | null {
    const number = Number.isSafeInteger(id) && id >= 0 ? id % (2 * OBJECTS_MAX) : Number.NaN;
    const ops = number < OBJECTS_MAX ? this.#made.slice(number, number + 1) : opsOf(this.#guests.get(number));
    if (ops.length === 0) throw new SystemError(ESRCH, 'find', undefined, `no operation of this pool has had the id ${id}`);
    return ops.find((op) => op.id === id) ?? null;
  }

  /** A list of those that are with the pool, for what may change it. */
  submitted(): AioOp[] {
    const guests = [...this.#guests.values()].flatMap(opsOf);
    return [...this.#made, ...guests].filter((op) => op.submitted);
  }

  #sweep(): void {
    for (const [number, guest] of this.#guests) {
      let left: Guest | null = null;
      for (const op of opsOf(guest)) left = { ref: new WeakRef(op), next: left };
      if (left === null) this.#guests.delete(number);
      else this.#guests.set(number, left);
    }
    this.#sweepAt = Math.max(64, this.#guests.size * 2);
  }

  #make(): AioOp {
    if (this.#made.length === OBJECTS_MAX) throw outOfRange('operations', `at most ${OBJECTS_MAX} at a time`, OBJECTS_MAX + 1);
    const op = new AioOp(this.#made.length);
    this.#made.push(op);
    return op;
  }
}

/** Of operations with one number. */
interface Guest {
  readonly ref: WeakRef<AioOp>;
  readonly next: Guest | null;
}

/** Those that are still there. */
function opsOf(first: Guest | undefined): AioOp[] {
  const ops: AioOp[] = [];
  for (let guest = first ?? null; guest !== null; guest = guest.next) {
    const op = guest.ref.deref();
    if (op !== undefined) ops.push(op);
  }
  return ops;
}

/** @throws SystemError EINVAL */
export function notTheCallers(op: AioOp, call: string): never {
  throw new SystemError(EINVAL, call, undefined, `operation ${op.id} is not the caller’s`);
}
