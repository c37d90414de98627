import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import { beginSubmit, endSubmit } from './biodone.js';
import type { BlockDevice } from './block-device.js';
import { BlockIo } from './block-io.js';
import type { BlockClaim } from './claims.js';
import { FreeList } from './free-list.js';

/** Says where the bytes of a device that lies on others are. One object for all requests: read the answer before the next question. */
export interface Layout {
  /** Of {@link locate}: which of the devices, and where there. */
  index: number;
  offset: number;
  /** How many bytes from there on belong together. */
  lengthBytes: number;
  /** Finds a position of the whole, and leaves the answer in this object. */
  locate(offset: number): void;
}

/**
 * A child request: a part of a request, or all of it, on its way to another device. BSD's nestiobuf(9).
 *
 * What the device gets is a plain BlockIo, with this in its `private`. A subclass would be another kind of object to every place in the block
 * layer that touches a request, and each of them slower for it.
 */
export class NestedIo {
  readonly io: BlockIo = new BlockIo();
  /** The request that it is a part of. */
  parent: BlockIo | null = null;
  /** The work on the parent, where this is not the whole of it. */
  transfer: NestedWork | null = null;
  /** Whom it comes back to. */
  readonly owner: NestedOwner;
  /** Where it goes, or went last: the device, and which one that is. */
  child: BlockDevice | null = null;
  index = 0;
  /** Where in the parent's range it begins. */
  position = 0;

  constructor(owner: NestedOwner) {
    this.owner = owner;
    this.io.private = this;
  }
}

/** The work on a request that takes several child requests: it stands in line for them. */
export interface NestedWork extends TailQueueEntry {
  /** It goes on: there is a child request for it. */
  resume(): void;
  /** One of its child requests is done. */
  advance(nested: NestedIo): void;
}

/** Whom a child request comes back to. */
export interface NestedOwner {
  childDone(nested: NestedIo): void;
}

/**
 * Starts a child request.
 *
 * @returns whether it is done already; otherwise `owner.childDone` is called
 */
export function startChild({ io }: NestedIo, child: BlockDevice): boolean {
  return child.startNested(io, nestedDone);
}

function nestedDone(io: BlockIo): void {
  const nested = io.private as NestedIo;
  nested.owner.childDone(nested);
}

/** Makes a child request the part of its parent that begins at `position`. */
export function aim(
  nested: NestedIo,
  parent: BlockIo,
  child: BlockDevice,
  claim: BlockClaim | null,
  offset: number,
  position: number,
  lengthBytes: number,
): void {
  const { io } = nested;
  nested.parent = parent;
  nested.position = position;
  // Mostly they are what they were, and a store of an object costs more than a look.
  if (nested.child !== child) nested.child = child;
  if (io.claim !== claim) io.claim = claim;
  io.operation = parent.operation;
  io.flags = parent.flags;
  io.buffer = parent.buffer;
  io.bufferOffset = parent.bufferOffset + position;
  // A vector comes only where the whole request goes to one device: limits.maxSegments is 1 elsewhere.
  if (parent.vector !== null) io.vector = parent.vector;
  io.offset = offset;
  io.lengthBytes = lengthBytes;
}

/** Nobody's memory is to be held by a child request that nobody uses. */
export function forget(nested: NestedIo): void {
  const { io } = nested;
  nested.parent = null;
  nested.transfer = null;
  io.buffer = null;
  io.vector = null;
}

/**
 * The child requests of a stack: at most so many are under way at a time. Who finds none waits in line holding none, so that those who hold
 * one always get on: no deadlock, however few there may be.
 */
export class NestedPool {
  readonly #owner: NestedOwner;
  readonly #max: number;
  readonly #made: NestedIo[] = [];
  /** By the device that they went to last, as they have most of what they need for it still. */
  readonly #free: FreeList<NestedIo>[] = [];
  readonly #freeSync: NestedIo[] = [];
  readonly #waiting = new TailQueue<NestedWork>();
  #serving = false;
  #underWay = 0;

  constructor(owner: NestedOwner, max: number) {
    this.#owner = owner;
    this.#max = max;
  }

  /** Counts a child request that somebody else has. False if too many are under way; call {@link dismiss} later otherwise. */
  admit(): boolean {
    if (this.#underWay >= this.#max) return false;
    this.#underWay += 1;
    return true;
  }

  dismiss(): void {
    this.#underWay -= 1;
  }

  /** A child request for a device, or null if too many are under way. */
  take(index: number): NestedIo | null {
    if (!this.admit()) return null;
    return this.#free[index]?.take() ?? this.#make(index);
  }

  /** A child request for the calling thread, which cannot wait for one. */
  takeSync(): NestedIo {
    return this.#freeSync.pop() ?? new NestedIo(this.#owner);
  }

  /** Takes a child request back. Call {@link serve} before the thread does anything else, as after {@link dismiss}. */
  giveBack(nested: NestedIo): void {
    this.#underWay -= 1;
    forget(nested);
    (this.#free[nested.index] as FreeList<NestedIo>).put(nested);
  }

  giveBackSync(nested: NestedIo): void {
    forget(nested);
    this.#freeSync.push(nested);
  }

  /** Puts work in line that has no child request. */
  await(work: NestedWork): void {
    this.#waiting.insertTail(work);
  }

  /** Takes it out again. False if it is not in line. */
  leave(work: NestedWork): boolean {
    if (work.queue !== this.#waiting) return false;
    this.#waiting.remove(work);
    return true;
  }

  /** Lets those in line have what has come back. */
  serve(): void {
    if (!this.#waiting.isEmpty && !this.#serving) this.#serve();
  }

  /** Calls back with each child request of a parent that is under way. For `abort`, which has the time. */
  eachOf(parent: BlockIo, visit: (nested: NestedIo) => void): void {
    for (const nested of this.#made) if (nested.parent === parent) visit(nested);
  }

  #make(index: number): NestedIo {
    while (this.#free.length <= index) this.#free.push(new FreeList());
    const made = new NestedIo(this.#owner);
    made.index = index;
    this.#made.push(made);
    return made;
  }

  #serve(): void {
    this.#serving = true;
    // What completes here is told later: its callback may throw, and somebody is in the middle of something.
    beginSubmit();
    try {
      while (this.#underWay < this.#max) {
        const next = this.#waiting.removeFirst();
        if (next === null) break;
        next.resume();
      }
    } finally {
      endSubmit();
      this.#serving = false;
    }
  }
}
