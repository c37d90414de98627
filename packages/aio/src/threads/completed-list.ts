import type { ServiceMemory } from '../service-memory.js';
import { LINK, SLOT_DONE, STATE } from './memory-layout.js';
import { wakeOwner } from './owner-wake.js';

/** What a service thread has completed and not told of yet: linked from the last to the first, so that it goes to the pool's side in one step. */
export class CompletedList {
  readonly #memory: ServiceMemory;
  readonly #ownerFd: number;
  /** Slots, plus one; 0 for none. */
  #first = 0;
  #last = 0;
  count = 0;

  /** @param ownerFd as for {@link wakeOwner} */
  constructor(memory: ServiceMemory, ownerFd: number) {
    this.#memory = memory;
    this.#ownerFd = ownerFd;
  }

  /** Adds a slot whose answer is written. */
  add(slot: number): void {
    const { words } = this.#memory;
    const at = this.#memory.slotAt(slot);
    words[at + LINK] = this.#last;
    // Last: whoever finds it in this state after the death of this thread finds the answer too.
    words[at + STATE] = SLOT_DONE;
    if (this.#last === 0) this.#first = slot + 1;
    this.#last = slot + 1;
    this.count += 1;
  }

  /** Tells of them. */
  push(): void {
    if (this.#last === 0) return;
    this.#memory.pushCompleted(this.#first - 1, this.#last - 1);
    this.#last = 0;
    this.count = 0;
    wakeOwner(this.#memory.words, this.#ownerFd);
  }
}
