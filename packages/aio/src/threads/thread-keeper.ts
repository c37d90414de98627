import type { BlockTimers, DeviceHandle } from '@biodone/blockdev';
import { closeOwnedEventFd, openOwnedEventFd, probe } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import type { ServiceWorker, SpawnServiceThread } from '../service-worker.js';
import { takeCpus } from './cpu-rotor.js';
import {
  CLOSED,
  MESSAGES,
  STARTED,
  THREAD_ABSENT,
  THREAD_CPU,
  THREAD_ERRNO,
  THREAD_LEAVING,
  THREAD_LEFT,
  THREAD_SERVED,
  THREAD_STARTING,
  THREAD_STATE,
  THREAD_TASK,
} from './memory-layout.js';
import { RestartPolicy } from './restart-policy.js';
import type { ServiceMessage } from './thread-data.js';
import { TaskWatch } from './thread-facts.js';
import { causeOfDeath, hasServed, isGone, type Member } from './thread-member.js';
import { wakeAll } from './wake-threads.js';

/** How long a thread may take to start, in milliseconds, before a pool whose owner blocks gives up hope. */
const START_MAX_MS = 30_000;

/** How long an owner that blocks goes without a look for threads that have died: at first, and after it was woken, as by one that dies. */
export const LIVENESS_POLL_MS = 50;
/** And how long in the end, when nothing has come for a long time. */
export const LIVENESS_POLL_MAX_MS = 1600;

/** What the keeper needs of the pool's side. */
export interface ThreadHost {
  readonly memory: ServiceMemory;
  readonly handle: DeviceHandle;
  /** What wakes the pool's thread. */
  readonly ownerFd: number;
  readonly idleMs: number;
  readonly threadsMin: number;
  /** The CPUs that threads are bound to, in turn, also from pool to pool of this thread; none to leave them free. */
  readonly cpus: readonly number[];
  /** What a thread imports first, by URL. */
  readonly modules: readonly string[];
  readonly timers: BlockTimers;
  readonly spawn: SpawnServiceThread;
  /** What a new thread has to be told about memory. */
  known(): ServiceMessage[];
  /** A thread is gone: what it had begun fails, what it had not goes back to the queue. The keeper owns the lock. */
  reclaim(thread: number): void;
  /** There is nobody who could serve what waits. */
  failWaiting(): void;
}

/** Starts a pool's service threads when there is work, and deals with their ends: those that leave, and those that die. */
export class ThreadKeeper {
  readonly #host: ThreadHost;
  readonly #members: (Member | null)[];
  readonly #restarts: RestartPolicy;
  /** Settled as the workers' ends are dealt with: by their 'exit' events, or before by an owner that blocks. */
  readonly #exits = new Set<Promise<void>>();
  readonly #firstCpu: number;
  #started = 0;
  #died = 0;

  constructor(host: ThreadHost) {
    this.#host = host;
    this.#firstCpu = host.cpus.length > 0 ? takeCpus(host.memory.threads) : 0;
    this.#members = new Array<Member | null>(host.memory.threads).fill(null);
    this.#restarts = new RestartPolicy(host.timers, () => this.grow());
  }

  /** How many threads have been started and have died, ever, and by what the last one did. */
  get history(): { started: number; died: number; lastError: string | null } {
    return { started: this.#started, died: this.#died, lastError: this.#restarts.lastError };
  }

  /**
   * Starts threads if operations wait and all threads are busy: one, then as many as there are, so that there are soon enough of them. Not with the
   * lock owned.
   */
  grow(): void {
    const { memory } = this.#host;
    if (memory.submissions === 0 || memory.words[CLOSED] !== 0) return;
    this.#forgive();
    const { alive } = memory;
    let missing =
      this.#restarts.delayed || this.#someStarting ? 0 : Math.min(memory.submissions - memory.spare, Math.max(1, alive));
    if (this.#restarts.failures > 0) missing = Math.min(missing, 1);
    for (let index = 0; index < memory.threads && missing > 0; index++) {
      if (this.#members[index] !== null) continue;
      missing -= 1;
      this.#spawn(index);
    }
    if (this.#restarts.hopeless && memory.alive === 0) this.#host.failWaiting();
  }

  /** For an owner that blocks, and whose event loop hears of nothing: looks for threads that have died, and for those to be started. */
  look(): void {
    const { memory, timers } = this.#host;
    for (const member of this.#members) if (member !== null && isGone(memory, member)) this.#end(member);
    this.grow();
    const hopeless = this.#members.every(
      (member) =>
        member === null || (memory.stateOf(member.index) === THREAD_STARTING && timers.now() - member.startedAtMs > START_MAX_MS),
    );
    if (hopeless && !this.#restarts.delayed && memory.submissions > 0) this.#host.failWaiting();
  }

  /** Tells all threads about memory. */
  tell(message: ServiceMessage): void {
    for (const member of this.#members) if (member !== null && !member.over) member.worker.postMessage(message);
    // Pairs with the load in ThreadObjects.receive(): messages that a thread is told of here are in its port.
    Atomics.add(this.#host.memory.words, MESSAGES, 1);
  }

  /** Lets the threads end by themselves: Node cannot end one that blocks in a system call. */
  tellClosed(how: number): void {
    const { memory } = this.#host;
    this.#restarts.cancel();
    // What else holds the lock while the process exits must not keep it from that.
    if (!memory.lock.timedEnter(1000)) return;
    if (memory.lock.ownerDied()) memory.repair();
    memory.words[CLOSED] = how;
    wakeAll(memory);
    memory.lock.exit();
  }

  /**
   * As {@link close}, for an owner that blocks: until all threads have closed their channels, or are gone.
   *
   * @returns false if some have not in time
   */
  closeSync(timeoutMs: number): boolean {
    const endMs = performance.now() + timeoutMs;
    for (const member of this.#members) {
      if (member === null) continue;
      if (!this.#awaitEnd(member, endMs)) return false;
      this.#end(member);
    }
    return true;
  }

  /** Waits for the end of all threads, which have been told. */
  async close(): Promise<void> {
    while (this.#exits.size > 0) await Promise.all(this.#exits);
  }

  /**
   * Blocks until all threads have got through their start. Node ends the threads of a process that exits, and a native module that is
   * loading then aborts the process. The time is limited, since a thread that fails never gets there.
   */
  awaitStart(): void {
    const { memory } = this.#host;
    const deadlineMs = performance.now() + 500;
    for (;;) {
      // Pairs with the add in ThreadServer.run().
      const started = Atomics.load(memory.words, STARTED);
      const remainingMs = deadlineMs - performance.now();
      if (remainingMs <= 0 || !this.#someStarting) return;
      Atomics.wait(memory.words, STARTED, started, remainingMs);
    }
  }

  get #someStarting(): boolean {
    return this.#members.some((member) => member !== null && this.#host.memory.stateOf(member.index) === THREAD_STARTING);
  }

  #awaitEnd(member: Member, endMs: number): boolean {
    const { memory } = this.#host;
    const index = memory.threadAt(member.index) + THREAD_STATE;
    for (;;) {
      // Pairs with the store in ThreadServer.run().
      const state = Atomics.load(memory.words, index);
      if (state === THREAD_LEFT || isGone(memory, member)) return true;
      const remainingMs = endMs - performance.now();
      if (!(remainingMs > 0)) return false;
      // One that dies notifies nobody.
      Atomics.wait(memory.words, index, state, Math.min(remainingMs, LIVENESS_POLL_MS));
    }
  }

  #spawn(index: number): void {
    const { memory, cpus, modules, spawn, handle, idleMs, threadsMin, ownerFd } = this.#host;
    const at = memory.threadAt(index);
    const { words } = memory;
    let eventFd = -1;
    let worker: ServiceWorker;
    try {
      // Opened here and not by the thread: it must not be another file's while this side may wake by it.
      eventFd = probe().available ? openOwnedEventFd() : -1;
      words[at + THREAD_TASK] = 0;
      words[at + THREAD_CPU] = 0;
      words[at + THREAD_ERRNO] = 0;
      words[at + THREAD_STATE] = THREAD_STARTING;
      const cpu = cpus.length === 0 ? -1 : (cpus[(this.#firstCpu + index) % cpus.length] as number);
      const messages = Atomics.load(words, MESSAGES);
      const known = this.#host.known();
      const data = {
        memory: memory.handle(),
        device: handle,
        modules,
        index,
        eventFd,
        ownerFd,
        cpu,
        idleMs,
        threadsMin,
        known,
        messages,
      };
      const watch = new TaskWatch();
      worker = spawn(data, `aiod${index}`);
      const task = watch.started;
      if (task !== 0) words[at + THREAD_TASK] = task;
    } catch (error) {
      words[at + THREAD_STATE] = THREAD_ABSENT;
      if (eventFd >= 0) closeOwnedEventFd(eventFd);
      this.#restarts.failed(error as Error);
      return;
    }
    this.#started += 1;
    this.#follow({
      index,
      worker,
      threadId: worker.threadId,
      eventFd,
      startedAtMs: this.#host.timers.now(),
      servedBefore: words[at + THREAD_SERVED] as number,
      error: null,
      over: false,
      settle: () => {},
    });
  }

  #follow(member: Member): void {
    const { worker } = member;
    this.#members[member.index] = member;
    worker.unref();
    worker.on('error', (error) => {
      member.error = error;
    });
    worker.on('exit', (exitCode) => {
      member.error ??= new Error(`it has ended with exit code ${exitCode}`);
      this.#end(member);
    });
    const exit = new Promise<void>((resolve) => {
      member.settle = resolve;
    });
    this.#exits.add(exit);
    void exit.then(() => this.#exits.delete(exit));
  }

  #end(member: Member): void {
    if (member.over) return;
    member.over = true;
    const { memory } = this.#host;
    const { index } = member;
    const at = memory.threadAt(index);
    const { words } = memory;
    memory.lock.ownerExited(member.threadId);
    memory.enter();
    const state = memory.stateOf(index);
    const left = state === THREAD_LEAVING || state === THREAD_LEFT;
    memory.takeWaker(index);
    words[at + THREAD_STATE] = THREAD_ABSENT;
    this.#host.reclaim(index);
    // Also those that sleep: a wake-up may have gone to the dead one.
    if (memory.submissions > 0) wakeAll(memory);
    memory.lock.exit();
    if (member.eventFd >= 0) closeOwnedEventFd(member.eventFd);
    this.#members[index] = null;
    member.settle();
    if (!left && words[CLOSED] === 0) {
      this.#died += 1;
      this.#forgive(member);
      this.#restarts.failed(member.error ?? causeOfDeath(memory, member));
    }
    this.grow();
  }

  /** Forgets failures if a thread has served something since. */
  #forgive(member?: Member): void {
    if (this.#restarts.failures === 0) return;
    const { memory } = this.#host;
    const served = this.#members.some((one) => one !== null && hasServed(memory, one));
    if (served || (member !== undefined && hasServed(memory, member))) this.#restarts.forgive();
  }
}
