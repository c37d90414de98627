import type { Edit } from './instrument.js';

/** A mistake that somebody could make, and the scenario that must find it. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** A piece of the file that occurs in it once. */
  readonly from: string;
  readonly to: string;
  /** A second change, if the mistake is to move something. */
  readonly and?: { readonly from: string; readonly to: string };
  readonly scenario: string;
}

/** Makes the mistake. */
export function editOf(mutant: Mutant): Edit {
  return (file, text) => {
    if (file !== mutant.file) return text;
    const once = replaceOnce(mutant, text, mutant.from, mutant.to);
    return mutant.and === undefined ? once : replaceOnce(mutant, once, mutant.and.from, mutant.and.to);
  };
}

function replaceOnce(mutant: Mutant, text: string, from: string, to: string): string {
  const parts = text.split(from);
  if (parts.length === 2) return parts.join(to);
  throw new Error(`mutant "${mutant.name}": its text occurs ${parts.length - 1} times in ${mutant.file}`);
}

const CALLBACK_MARK = 'if (state === marked || Atomics.compareExchange(words, LOCK, state, marked) === state) return BUSY;';

export const mutants: readonly Mutant[] = [
  {
    name: 'a thread takes the mutex without looking again',
    file: 'mutex.ts',
    from: 'return Atomics.compareExchange(words, LOCK, state, state | thisThread | marks) === state;',
    to: 'Atomics.store(words, LOCK, state | thisThread | marks); return true;',
    scenario: 'mutex: three threads',
  },
  {
    name: 'a woken thread drops the mark of the other sleepers',
    file: 'mutex.ts',
    from: 'mark = SLEEPERS;',
    to: 'mark = 0;',
    scenario: 'mutex: three threads',
  },
  {
    name: 'a thread sleeps without a mark',
    file: 'mutex.ts',
    from: 'const marked = state | SLEEPERS;',
    to: 'const marked = state;',
    scenario: 'mutex: two threads',
  },
  {
    name: 'exit() wakes no sleeper',
    file: 'mutex.ts',
    from: 'if ((before & SLEEPERS) !== 0) Atomics.notify',
    to: 'if (before === -1) Atomics.notify',
    scenario: 'mutex: two threads',
  },
  {
    name: 'exit() wakes no callback',
    file: 'mutex.ts',
    from: 'if ((before & CALLBACKS) !== 0) this.#callbacks.wake',
    to: 'if (before === -1) this.#callbacks.wake',
    scenario: 'mutex: threads and a callback',
  },
  {
    name: 'exit() wakes callbacks only if no thread sleeps',
    file: 'mutex.ts',
    from: 'if ((before & CALLBACKS) !== 0) this',
    to: 'if ((before & CALLBACKS) !== 0 && (before & SLEEPERS) === 0) this',
    scenario: 'mutex: threads and a callback',
  },
  {
    name: 'exit() wakes a sleeper only if no callback waits',
    file: 'mutex.ts',
    from: 'if ((before & SLEEPERS) !== 0) Atomics',
    to: 'if ((before & SLEEPERS) !== 0 && (before & CALLBACKS) === 0) Atomics',
    scenario: 'mutex: threads and a callback',
  },
  {
    name: 'exit() reads the marks before it frees the mutex',
    file: 'mutex.ts',
    from: 'const before = Atomics.exchange(this.#words, LOCK, after);',
    to: 'const before = Atomics.load(this.#words, LOCK); Atomics.store(this.#words, LOCK, after);',
    scenario: 'mutex: threads and a callback',
  },
  {
    name: 'who gives up looks at the deadline before it marks',
    file: 'mutex.ts',
    from: "      if ((state & OWNER) === thisThread) throw new SyncError('EDEADLK'",
    to: "      if (deadlineMs - nowMs() <= 0) return false;\n      if ((state & OWNER) === thisThread) throw new SyncError('EDEADLK'",
    scenario: 'mutex: a deadline',
  },
  {
    name: 'a callback waits without a mark',
    file: 'mutex.ts',
    from: CALLBACK_MARK,
    to: 'if (marked !== 0) return BUSY;',
    scenario: 'mutex: callbacks and a thread',
  },
  {
    name: 'a callback marks with a store',
    file: 'mutex.ts',
    from: CALLBACK_MARK,
    to: 'Atomics.store(words, LOCK, marked); return BUSY;',
    scenario: 'mutex: callbacks and a thread',
  },
  {
    name: 'a callback of the owning thread is forgotten at exit()',
    file: 'mutex.ts',
    from: 'if (threadState.localWaits !== 0) threadState',
    to: 'if (threadState.localWaits === -1) threadState',
    scenario: 'mutex: waiting for oneself',
  },
  {
    name: 'the sequence is read after the attempt',
    file: 'callback-queue.ts',
    from: `        const sequence = this.#parking.sequence();
        const answer = this.#attempt(waiter);`,
    to: `        const answer = this.#attempt(waiter);
        const sequence = this.#parking.sequence();`,
    scenario: 'mutex: callbacks and a thread',
  },
  {
    name: 'a callback is announced after its attempt',
    file: 'callback-queue.ts',
    from: `        this.announce();
        const sequence = this.#parking.sequence();
        const answer = this.#attempt(waiter);`,
    to: `        const sequence = this.#parking.sequence();
        const answer = this.#attempt(waiter);
        this.announce();`,
    scenario: 'semaphore: a thread and a callback',
  },
  {
    name: 'a failed registration is not tried again',
    file: 'callback-queue.ts',
    from: 'if (!result.async) return false;',
    to: 'if (!result.async) return true;',
    scenario: 'mutex: callbacks and a thread',
  },
  {
    name: 'the callbacks behind one that gave up are forgotten',
    file: 'callback-queue.ts',
    from: `      served++;
      waiter.finish();`,
    to: `      served++;
      waiter.finish();
      if (waiter.error !== null) return served;`,
    scenario: 'mutex: a cancelled callback',
  },
  {
    name: 'the queue leaves the parking before it is empty',
    file: 'callback-queue.ts',
    from: '      (waiter.queue as TailQueue<CallbackWaiter>).remove(waiter);',
    to: '      (waiter.queue as TailQueue<CallbackWaiter>).remove(waiter); this.#parking.leave();',
    scenario: 'semaphore: two callbacks of a thread',
  },
  {
    name: 'a sleeper is counted after it has looked',
    file: 'blocking.ts',
    from: `  parking.enter();
  let taken = false;`,
    to: '  let taken = false;',
    and: { from: '    parking.sleep(sequence, remainingMs);', to: '    parking.enter(); parking.sleep(sequence, remainingMs);' },
    scenario: 'semaphore: two threads',
  },
  {
    name: 'a thread reads the sequence after it has looked',
    file: 'blocking.ts',
    from: `    const sequence = parking.sequence();
    taken = acquisition.attempt(null) === TAKEN;
    if (taken) break;`,
    to: `    taken = acquisition.attempt(null) === TAKEN;
    if (taken) break;
    const sequence = parking.sequence();`,
    scenario: 'semaphore: two threads',
  },
  {
    name: 'a waker looks for waiters before it changes anything',
    file: 'semaphore.ts',
    from: `    const words = this.#words;
    for (;;) {
      // [semaphore:post-look]`,
    to: `    const words = this.#words;
    if (this.#threads.waiters() + this.#callbacks.waiters() === 0) { Atomics.add(words, COUNT, count); return; }
    for (;;) {
      // [semaphore:post-look]`,
    scenario: 'semaphore: two threads',
  },
  {
    name: 'a wake-up does not change the sequence',
    file: 'parking.ts',
    from: 'Atomics.add(this.#words, this.sequenceIndex, 1);',
    to: 'Atomics.load(this.#words, this.sequenceIndex);',
    scenario: 'semaphore: two threads',
  },
  {
    name: 'a wake-up notifies nobody',
    file: 'parking.ts',
    from: 'return Atomics.notify(this.#words, this.sequenceIndex, count);',
    to: 'return count;',
    scenario: 'semaphore: two threads',
  },
  {
    name: 'post() wakes one thread for several units',
    file: 'semaphore.ts',
    from: 'this.#threads.wake(count);',
    to: 'this.#threads.wake(1);',
    scenario: 'semaphore: two units at once',
  },
  {
    name: 'post() wakes a callback or a thread, not both',
    file: 'semaphore.ts',
    from: `    this.#threads.wake(count);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);`,
    to: '    if (this.#callbacks.wake(Number.POSITIVE_INFINITY) === 0) this.#threads.wake(count);',
    scenario: 'semaphore: a callback of a busy thread',
  },
  {
    name: 'units are taken with a store',
    file: 'semaphore.ts',
    from: 'if (Atomics.compareExchange(this.#words, COUNT, units, units - 1) === units) return TAKEN;',
    to: 'Atomics.store(this.#words, COUNT, units - 1); return TAKEN;',
    scenario: 'semaphore: handing on',
  },
  {
    name: 'wait() reads the sequence after it has freed the mutex',
    file: 'condvar.ts',
    from: `    const sequence = this.#threads.sequence();
    mutex.exit();`,
    to: `    mutex.exit();
    const sequence = this.#threads.sequence();`,
    scenario: 'condvar: a consumer',
  },
  {
    name: 'wait() is counted after it has freed the mutex',
    file: 'condvar.ts',
    from: `    this.#threads.enter();
    // Read while the mutex is owned: a wake-up after it is free changes the number, and the sleep ends at once.
    const sequence = this.#threads.sequence();
    mutex.exit();`,
    to: `    const sequence = this.#threads.sequence();
    mutex.exit();
    this.#threads.enter();`,
    scenario: 'condvar: a consumer',
  },
  {
    name: 'waitCallback() is announced after it has freed the mutex',
    file: 'condvar.ts',
    from: `    queue.announce();
    mutex.exit();
    return waiter;`,
    to: `    mutex.exit();
    return waiter;`,
    scenario: 'condvar: a callback',
  },
  {
    name: 'waitCallback() reads the sequence after it has freed the mutex',
    file: 'condvar.ts',
    from: `    mutex.exit();
    return waiter;`,
    to: `    mutex.exit();
    queue.note = this.#callbacks.sequence();
    return waiter;`,
    scenario: 'condvar: a callback',
  },
  {
    name: 'signal() wakes a callback or a thread, not both',
    file: 'condvar.ts',
    from: `    this.#threads.wake(1);
    this.#callbacks.wake(Number.POSITIVE_INFINITY);`,
    to: '    if (this.#callbacks.wake(Number.POSITIVE_INFINITY) === 0) this.#threads.wake(1);',
    scenario: 'condvar: a callback of a busy thread',
  },
  {
    name: 'broadcast() wakes one thread',
    file: 'condvar.ts',
    from: 'this.#threads.wake(Number.POSITIVE_INFINITY);',
    to: 'this.#threads.wake(1);',
    scenario: 'condvar: broadcast',
  },
  {
    name: 'readers join a writer',
    file: 'rwlock-entries.ts',
    from: 'if (state < FREE) return BUSY;',
    to: 'if (state === FREE - 99) return BUSY;',
    scenario: 'rwlock: readers and a writer',
  },
  {
    name: 'a writer takes the lock from readers',
    file: 'rwlock-entries.ts',
    from: 'if (Atomics.compareExchange(this.#words, STATE, FREE, -thisThread) === FREE) {',
    to: 'if (Atomics.load(this.#words, STATE) >= FREE && Atomics.exchange(this.#words, STATE, -thisThread) >= FREE) {',
    scenario: 'rwlock: readers and a writer',
  },
  {
    name: 'exit() wakes a writer but no readers',
    file: 'rwlock.ts',
    from: 'if (this.#writers.wake(1) === 0) this.#readers.wake(Number.POSITIVE_INFINITY);',
    to: 'this.#writers.wake(1);',
    scenario: 'rwlock: readers and a writer',
  },
  {
    name: 'every reader’s exit() frees the lock',
    file: 'rwlock.ts',
    from: 'if (Atomics.sub(this.#words, STATE, 1) === 1) this.#wake();',
    to: 'Atomics.store(this.#words, STATE, FREE); this.#wake();',
    scenario: 'rwlock: readers and a writer',
  },
  {
    name: 'a writer that gives up wakes nobody',
    file: 'rwlock-entries.ts',
    from: 'if (Atomics.sub(this.#words, WRITERS_WAITING, 1) > 1) return;',
    to: 'if (Atomics.sub(this.#words, WRITERS_WAITING, 1) > 0) return;',
    scenario: 'rwlock: a writer that gives up',
  },
  {
    name: 'a callback to write that gives up stays counted',
    file: 'rwlock-entries.ts',
    from: 'if (waiter.note === 1) this.abandon();',
    to: 'if (waiter.note === 2) this.abandon();',
    scenario: 'rwlock: a callback to write that gives up',
  },
  {
    name: 'downgrade() lets nobody in',
    file: 'rwlock.ts',
    from: 'if (Atomics.load(this.#words, WRITERS_WAITING) === 0) this.#readers.wake',
    to: 'if (Atomics.load(this.#words, WRITERS_WAITING) === -1) this.#readers.wake',
    scenario: 'rwlock: downgrade to meet',
  },
  {
    name: 'tryUpgrade() forgets the other readers',
    file: 'rwlock.ts',
    from: 'if (Atomics.compareExchange(this.#words, STATE, 1, -thisThread) !== 1) return false;',
    to: 'Atomics.store(this.#words, STATE, -thisThread);',
    scenario: 'rwlock: upgrade',
  },
  {
    name: 'SpscRing publishes before it copies',
    file: 'spsc-ring.ts',
    from: '    this.#copyIn(records, first, pushed, moved);\n',
    to: '',
    and: {
      from: '    this.wakeConsumer();\n    return moved;',
      to: '    this.#copyIn(records, first, pushed, moved); this.wakeConsumer();\n    return moved;',
    },
    scenario: 'SpscRing: more than fits',
  },
  {
    name: 'SpscRing gives the space back before it copies',
    file: 'spsc-ring.ts',
    from: '    this.#copyOut(records, first, popped, moved);\n',
    to: '',
    and: { from: '    this.wakeProducers();\n', to: '    this.#copyOut(records, first, popped, moved); this.wakeProducers();\n' },
    scenario: 'SpscRing: one place',
  },
  {
    name: 'SpscRing pushes behind the close',
    file: 'spsc-ring.ts',
    from: 'const before = Atomics.compareExchange(words, HEAD, head, next);',
    to: 'const before = head; Atomics.store(words, HEAD, next);',
    scenario: 'SpscRing: closed by a third thread',
  },
  {
    name: 'SpscRing forgets to wake the consumer',
    file: 'spsc-ring.ts',
    from: '    this.wakeConsumer();\n    return moved;',
    to: '    return moved;',
    scenario: 'SpscRing: one place',
  },
  {
    name: 'pop() wakes no producer',
    file: 'spsc-ring.ts',
    from: '    this.wakeProducers();\n',
    to: '',
    scenario: 'SpscRing: one place',
  },
  {
    name: 'close() wakes nobody',
    file: 'ring.ts',
    from: '    this.wakeConsumer();\n    this.wakeProducers();\n',
    to: '',
    scenario: 'SpscRing: closed by a third thread',
  },
  {
    name: 'a ring is drained as soon as it is closed',
    file: 'ring.ts',
    from: 'return (head & CLOSED) !== 0 && Atomics.load(words, TAIL) === head >>> 1;',
    to: 'return (head & CLOSED) !== 0;',
    scenario: 'SpscRing: more than fits',
  },
  {
    name: 'the consumer does not wait for the close',
    file: 'mpsc-ring.ts',
    from: 'return isDrained(words) ? TAKEN : BUSY;',
    to: 'return BUSY;',
    scenario: 'MpscRing: one producer',
  },
  {
    name: 'MpscRing marks a record as complete before it is written',
    file: 'mpsc-ring.ts',
    from: '      for (let word = 0; word < recordWords; word++) words[target++] = records[source++] as number;\n',
    to: '',
    and: {
      from: 'Atomics.store(words, RING_BODY + place, markOf(mine));',
      to: 'Atomics.store(words, RING_BODY + place, markOf(mine)); for (let word = 0; word < recordWords; word++) words[target++] = records[source++] as number;',
    },
    scenario: 'MpscRing: one producer',
  },
  {
    name: 'MpscRing reserves with a store',
    file: 'mpsc-ring.ts',
    from: 'if (Atomics.compareExchange(words, HEAD, head, next) !== head) continue;',
    to: 'Atomics.store(words, HEAD, next);',
    scenario: 'MpscRing: two producers, one place',
  },
  {
    name: 'MpscRing reads the tail after the head, and believes the difference',
    file: 'mpsc-ring.ts',
    from: 'Math.min(Math.max(this.capacity - ((pushed - tail) & COUNT_MASK), 0), count)',
    to: 'Math.min(this.capacity, count)',
    scenario: 'MpscRing: two producers, one place',
  },
  {
    name: 'MpscRing pops what is reserved but not complete',
    file: 'mpsc-ring.ts',
    from: 'if (Atomics.load(words, RING_BODY + place) !== markOf(position)) break;',
    to: 'if (position === Atomics.load(words, HEAD) >>> 1) break;',
    scenario: 'MpscRing: two producers, closed by one',
  },
  {
    name: 'a live owner is taken over from',
    file: 'mutex-robust.ts',
    from: 'if (task === 0 || isTaskAlive(Math.abs(task))) return false;',
    to: 'if (task === 0) return false;',
    scenario: 'mutex: robust without a death',
  },
  {
    name: 'exit() leaves the dead owner’s number behind',
    file: 'mutex-robust.ts',
    from: '  Atomics.store(words, OWNER_TASK, 0);\n}',
    to: '}',
    scenario: 'mutex: death after exit',
  },
  {
    name: 'two heirs claim at once',
    file: 'mutex-robust.ts',
    from: 'if (Atomics.compareExchange(words, OWNER_TASK, task, CLAIM) !== task) return false;\n  return succeed(words, dead)',
    to: 'Atomics.store(words, OWNER_TASK, CLAIM);\n  return succeed(words, dead)',
    scenario: 'mutex: death of an owner, two heirs',
  },
  {
    name: 'an heir takes a claim for a dead one without procfs',
    file: 'mutex-robust.ts',
    from: '  if (thisTask === 0) return false;\n',
    to: '',
    scenario: 'mutex: death of an owner, without procfs',
  },
  {
    name: 'an heir does not look again whose mutex it is',
    file: 'mutex-robust.ts',
    from: 'if ((state & OWNER) !== dead) {',
    to: 'if (dead === -1) {',
    scenario: 'mutex: death of an owner, told twice',
  },
];
