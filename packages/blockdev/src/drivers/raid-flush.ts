import { ECANCELED, EIO } from '@biodone/uring';
import { BLOCK_FLUSH, BlockIo, IO_DONE, IO_STARTED } from '../block-io.js';
import { FreeList } from '../free-list.js';
import type { RaidMember, RaidSlot } from './raid-member.js';
import type { RaidSet } from './raid-set.js';

/** Flushes of a raid: each goes to all components. One that cannot do it is taken out, if the others can do without it. */
export class RaidFlushes {
  readonly #set: RaidSet;
  readonly #done: (io: BlockIo, error: number) => void;
  readonly #free = new FreeList<FlushWork>();
  readonly #all: FlushWork[] = [];

  constructor(set: RaidSet, done: (io: BlockIo, error: number) => void) {
    this.#set = set;
    this.#done = done;
  }

  start(io: BlockIo): void {
    this.#take().begin(io);
  }

  run(io: BlockIo): number {
    const work = this.#take();
    work.begin(io);
    return io.error;
  }

  /** Asks for the end of a flush. */
  abort(io: BlockIo): boolean {
    const work = this.#all.find(({ parent }) => parent === io);
    work?.abort();
    return work !== undefined;
  }

  #take(): FlushWork {
    const free = this.#free.take();
    if (free !== null) return free;
    const made = new FlushWork(this.#set, (work, error) => {
      const parent = work.parent as BlockIo;
      work.parent = null;
      this.#free.put(work);
      if (this.#set.inThread) parent.error = error;
      else this.#done(parent, error);
    });
    this.#all.push(made);
    return made;
  }
}

class FlushWork {
  parent: BlockIo | null = null;
  readonly #set: RaidSet;
  readonly #done: (work: FlushWork, error: number) => void;
  readonly #ios: BlockIo[];
  readonly #slots: (RaidSlot | null)[];
  #outstanding = 0;
  #error = 0;
  #aborted = false;

  constructor(set: RaidSet, done: (work: FlushWork, error: number) => void) {
    this.#set = set;
    this.#done = done;
    this.#ios = set.members.map(() => new BlockIo());
    this.#slots = set.members.map(() => null);
  }

  begin(parent: BlockIo): void {
    this.parent = parent;
    this.#error = 0;
    this.#aborted = false;
    this.#outstanding = 1;
    for (const member of this.#set.members) {
      if (member.slot !== null && (this.#set.allGood || this.#set.state.stateOf(member.index) !== 0))
        this.#send(member, member.slot);
    }
    this.#partDone();
  }

  abort(): void {
    this.#aborted = true;
    for (const [index, io] of this.#ios.entries()) if (io.state === IO_STARTED) this.#slots[index]?.device.abort(io);
  }

  #send(member: RaidMember, slot: RaidSlot): void {
    const io = this.#ios[member.index] as BlockIo;
    this.#slots[member.index] = slot;
    io.operation = BLOCK_FLUSH;
    io.claim = slot.claim;
    io.iodone = null;
    this.#outstanding += 1;
    if (this.#set.inThread) slot.device.strategySync(io);
    else slot.device.strategy(io);
    if (io.state === IO_DONE) this.#memberDone(member, slot, io.error);
    else io.iodone = () => this.#memberDone(member, slot, io.error);
  }

  #memberDone(member: RaidMember, slot: RaidSlot, error: number): void {
    if (error === ECANCELED && this.#aborted) this.#error ||= ECANCELED;
    else if (error !== 0 && !this.#set.takeOut(member, slot, `a flush failed: errno ${error}`)) this.#error = error;
    this.#partDone();
  }

  #partDone(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0) return;
    // What one component more than can be done without has had may be lost.
    this.#done(this, this.#error || (this.#set.isBroken ? EIO : 0));
  }
}
