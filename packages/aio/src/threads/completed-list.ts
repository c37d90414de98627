import type { ServiceMemory } from '../service-memory.js';
import { LINK, OWNER_SLEEPS, SLOT_DONE, STATE } from './memory-layout.js';
import { wakeOwner } from './owner-wake.js';

/**
 * For so many operations that wait, one completion may wait until the pool's thread is woken. So it is held back for no more than an eighth of the time
 * that the last in line has to wait in any case.
 */
const WAITING_EACH = 8;

/** How long completions wait, as far as the pace of the thread tells, in nanoseconds. A wake-up costs about 20 µs of CPU time. */
const UNTOLD_MAX_NS = 500_000;

/**
 * What a service thread has completed: linked from the last to the first, so that it goes to the pool's side in one step.
 *
 * The pool's thread sees at once what is pushed, if it is awake. It is not woken for each operation while many others wait. The second way to what it
 * has not been told of (rule 9) is the nudge, which comes as long as operations wait.
 */
export class CompletedList {
  readonly #memory: ServiceMemory;
  readonly #ownerFd: number;
  /** Slots, plus one; 0 for none. */
  #first = 0;
  #last = 0;
  /** How many there are that have not been pushed. */
  count = 0;
  /** How many have been pushed since the pool's thread was known to be awake. */
  #untold = 0;

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

  /**
   * Hands them over, and wakes the pool's thread for them unless that can wait.
   *
   * @param paceNs how long an operation takes this thread
   */
  push(paceNs: number): void {
    if (this.#last === 0) return;
    const memory = this.#memory;
    memory.pushCompleted(this.#first - 1, this.#last - 1);
    this.#untold += this.count;
    this.#last = 0;
    this.count = 0;
    // Pairs with the store in ServiceThreads.#rest(): who is awake now looks once more before it sleeps.
    if (Atomics.load(memory.words, OWNER_SLEEPS) === 0) this.#untold = 0;
    else if (this.#untold * WAITING_EACH > memory.submissionsNow || this.#untold * paceNs > UNTOLD_MAX_NS) this.tell();
  }

  /** Wakes the pool's thread if it has not been told of all. To be called before this thread sleeps. */
  tell(): void {
    if (this.#untold === 0) return;
    this.#untold = 0;
    wakeOwner(this.#memory.words, this.#ownerFd);
  }
}
