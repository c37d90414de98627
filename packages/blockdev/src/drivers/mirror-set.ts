import { IoBuffer } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_FUA, BLOCK_WRITE, BlockIo } from '../block-io.js';
import type { HalfState } from './mirror-assembly.js';
import type { MirrorHalf } from './mirror-half.js';
import { encodeLabel, LABEL_BYTES, LABEL_FAILED, LABEL_GOOD, LABEL_REBUILDING, type MirrorLabel } from './mirror-label.js';

const LISTED: Readonly<Record<HalfState, number>> = {
  good: LABEL_GOOD,
  syncing: LABEL_GOOD,
  rebuilding: LABEL_REBUILDING,
  failed: LABEL_FAILED,
};

/** What identifies a mirror. */
export interface MirrorIdentity {
  readonly uuid: string;
  readonly generation: number;
  readonly dataBytes: number;
  /** Whether it has labels, and they may be written. */
  readonly labels: boolean;
}

/**
 * Who belongs to a mirror, and is good. A change is written to the labels of all halves in use before any write is told to be done that was
 * not made on all halves that the old labels call good: whatever happens then, no half is taken for good that lacks something.
 */
export class MirrorSet {
  readonly halves: MirrorHalf[];
  /** The devices of all halves that are there. */
  devices: readonly BlockDevice[];
  readonly identity: MirrorIdentity;
  generation: number;
  /** Whether the labels say that the mirror is open. */
  dirty = true;
  /**
   * Whether the labels stay as they were found until something is written: who only looks at a half that may be old, without the others, must not
   * make it look as if it had gone its own way.
   */
  untouched = false;
  readonly #changed: () => void;
  readonly #lost: (half: MirrorHalf) => void;
  /** Those that {@link inThread} has taken out. */
  readonly #lostInThread: MirrorHalf[] = [];
  /** Requests that are done but for the labels. */
  readonly #held: BlockIo[] = [];
  readonly #waiting: ((error: number) => void)[] = [];
  /** The generation that all halves in use have. */
  #saved: number;
  #saving = 0;
  #saveError = 0;
  #inThread = false;

  /** @param lost is told of a half that has been taken out: nobody is to wait for it any more */
  constructor(halves: MirrorHalf[], identity: MirrorIdentity, changed: () => void, lost: (half: MirrorHalf) => void) {
    this.devices = devicesOf(halves);
    this.#lost = lost;
    this.halves = halves;
    this.identity = identity;
    this.generation = identity.generation;
    this.#saved = identity.generation;
    this.#changed = changed;
  }

  /** Whether all labels say how things are. */
  get isSaved(): boolean {
    return this.#saved === this.generation;
  }

  /** Whether {@link inThread} is at work. */
  get isInThread(): boolean {
    return this.#inThread;
  }

  get isSaving(): boolean {
    return this.#saving > 0;
  }

  /**
   * Takes a half out that has failed.
   *
   * @returns false if it is the last one that has the data: then it stays, and its errors are the caller's
   */
  takeOut(half: MirrorHalf, reason: string): boolean {
    if (!half.inUse) return true;
    if (half.isComplete && !this.halves.some((other) => other !== half && other.isComplete)) return false;
    half.state = 'failed';
    half.reason = reason;
    this.#promote();
    this.change();
    if (this.#inThread) this.#lostInThread.push(half);
    else this.#lost(half);
    return true;
  }

  /** A half is something else now: the labels are to say so. */
  change(): void {
    if (this.untouched) {
      this.#changed();
      return;
    }
    this.generation += 1;
    if (!this.identity.labels) this.#saved = this.generation;
    this.#changed();
    this.#save();
  }

  /** Something is to be written: the labels have to say so before. */
  touch(): void {
    if (!this.untouched) return;
    this.untouched = false;
    this.change();
  }

  /** Puts another half in the place of one. */
  replace(half: MirrorHalf): void {
    this.halves[half.index] = half;
    this.devices = devicesOf(this.halves);
    this.change();
  }

  /** Completes a request as soon as the labels are what they have to be. */
  complete(io: BlockIo): void {
    if (this.isSaved) {
      biodone(io, 0);
      return;
    }
    this.#held.push(io);
    this.#save();
  }

  /** Calls back when the labels say how things are, or cannot be written. */
  whenSaved(callback: (error: number) => void): void {
    if (this.isSaved) {
      callback(0);
      return;
    }
    this.#waiting.push(callback);
    this.#save();
  }

  /**
   * Does work in the calling thread, and writes the labels there if it changes something. Those that are on their way already stay what they
   * are.
   *
   * @returns the errno with which the labels could not be written, or 0
   */
  inThread(work: () => void): number {
    this.#inThread = true;
    try {
      work();
      return this.#saving > 0 ? 0 : this.#saveSync();
    } finally {
      this.#inThread = false;
      for (const half of this.#lostInThread.splice(0)) this.#lost(half);
    }
  }

  #saveSync(): number {
    let error = 0;
    while (!this.isSaved && error === 0) {
      const { generation } = this;
      for (const half of this.#inUse()) {
        const failure = saveHalfSync(half, this.#label(half));
        if (failure !== 0 && !this.#labelFailed(half, failure)) error = failure;
      }
      if (error === 0) this.#saved = generation;
    }
    return error;
  }

  /** Where there is nobody to be read first any more, the next becomes it. */
  #promote(): void {
    if (this.halves.some(({ state }) => state === 'good')) return;
    const next = this.halves.find(({ state }) => state === 'syncing');
    if (next !== undefined) next.state = 'good';
  }

  #inUse(): MirrorHalf[] {
    return this.halves.filter(({ inUse }) => inUse);
  }

  /** A label could not be written. False if that was the last half. */
  #labelFailed(half: MirrorHalf, error: number): boolean {
    return this.takeOut(half, `its label could not be written: errno ${error}`);
  }

  #label(half: MirrorHalf): MirrorLabel {
    const { uuid, dataBytes } = this.identity;
    const states = this.halves.map(({ state }) => LISTED[state]);
    // Halves that may differ are to be made equal by the next opening too.
    const dirty = this.dirty || this.halves.some(({ state }) => state === 'syncing');
    return { uuid, generation: this.generation, index: half.index, dataBytes, dirty, states };
  }

  #save(): void {
    if (this.isSaved || this.#saving > 0 || this.#inThread) return;
    const { generation } = this;
    this.#saveError = 0;
    const halves = this.#inUse();
    // One more, so that it does not end before all have begun.
    this.#saving = halves.length + 1;
    beginSubmit();
    try {
      for (const half of halves) saveHalf(half, this.#label(half), (error) => this.#halfSaved(half, error, generation));
    } finally {
      endSubmit();
    }
    this.#partSaved(generation);
  }

  #halfSaved(half: MirrorHalf, error: number, generation: number): void {
    if (error !== 0 && half.inUse && !this.#labelFailed(half, error)) this.#saveError = error;
    this.#partSaved(generation);
  }

  #partSaved(generation: number): void {
    this.#saving -= 1;
    if (this.#saving > 0) return;
    if (this.#saveError === 0) {
      this.#saved = generation;
      // It has changed meanwhile.
      if (!this.isSaved) {
        this.#save();
        return;
      }
    }
    const error = this.#saveError;
    const held = this.#held.splice(0);
    const waiting = this.#waiting.splice(0);
    // By the queue of done requests: none may keep the others from being told.
    beginSubmit();
    try {
      for (const io of held) biodone(io, error);
    } finally {
      endSubmit();
    }
    for (const callback of waiting) callback(error);
  }
}

function devicesOf(halves: readonly MirrorHalf[]): BlockDevice[] {
  return halves.map(({ device }) => device).filter((device) => device !== null);
}

function labelIo(half: MirrorHalf, label: MirrorLabel): BlockIo {
  const io = new BlockIo();
  io.buffer = IoBuffer.allocate(LABEL_BYTES);
  encodeLabel(label, io.buffer.bytes);
  io.operation = BLOCK_WRITE;
  io.flags = half.device?.capabilities.fua === 'none' ? 0 : BLOCK_FUA;
  io.offset = half.labelOffset;
  io.lengthBytes = LABEL_BYTES;
  io.claim = half.claim;
  return io;
}

function saveHalf(half: MirrorHalf, label: MirrorLabel, done: (error: number) => void): void {
  const io = labelIo(half, label);
  half.send(io, (error) => {
    if (error !== 0 || io.flags !== 0) {
      done(error);
      return;
    }
    // What cannot be written stable at once is made so afterwards.
    io.operation = BLOCK_FLUSH;
    half.send(io, done);
  });
}

function saveHalfSync(half: MirrorHalf, label: MirrorLabel): number {
  const io = labelIo(half, label);
  half.device?.strategySync(io);
  if (io.error === 0 && io.flags === 0) {
    io.operation = BLOCK_FLUSH;
    half.device?.strategySync(io);
  }
  return io.error;
}
