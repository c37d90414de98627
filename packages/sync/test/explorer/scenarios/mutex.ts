import { type Scenario, START, type ThreadScript, type World } from '../explore.js';
import { type Program, Violation } from '../machine.js';
import { ALONE, alone, count, DONE, expectVar, mustSucceed, scriptFor, starts } from './common.js';

const script = scriptFor('KMutex');
/** Index of the variable that says that the victim has freed the mutex. */
const LINGERS = 2;

const blocker = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    yield* mutex.enter();
    yield* alone(world, mark);
    yield* mutex.exit();
  });

/** Comes a second time at once, and so overtakes those who are being woken. */
const returner = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    for (let round = 0; round < 2; round++) {
      yield* mutex.enter();
      yield* alone(world, mark);
      yield* mutex.exit();
    }
  });

const trier = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    if (!(yield* mutex.tryEnter())) return count(world, DONE);
    yield* alone(world, mark);
    yield* mutex.exit();
  });

const hurried = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    if (!(yield* mutex.timedEnter(5))) return count(world, DONE);
    yield* alone(world, mark);
    yield* mutex.exit();
  });

const caller = (mark: number): ThreadScript =>
  script(
    starts((world, mutex) => {
      mutex.enterCallback(function* (error: null) {
        mustSucceed(error);
        yield* alone(world, mark);
        yield* mutex.exit();
      });
    }),
  );

/** A callback that takes the mutex if it comes in time, with a second one behind it. */
const hurriedCaller = (mark: number): ThreadScript =>
  script(
    starts((world, mutex) => {
      mutex.enterCallback(
        function* (error: { code: string } | null) {
          if (error !== null) return count(world, DONE);
          yield* alone(world, mark);
          yield* mutex.exit();
        },
        { timeoutMs: 5 },
      );
      mutex.enterCallback(function* (error: null) {
        mustSucceed(error);
        yield* alone(world, mark + 10);
        yield* mutex.exit();
      });
    }),
  );

/** Two callbacks, the first of them cancelled at some later time. */
const canceller = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    let ended = 0;
    const pending = mutex.enterCallback(function* (error: { code: string } | null) {
      ended++;
      if (error !== null) return count(world, DONE);
      yield* alone(world, mark);
      yield* mutex.exit();
    });
    mutex.enterCallback(function* (error: null) {
      mustSucceed(error);
      if (ended !== 1) throw new Violation('the callbacks came out of order');
      yield* alone(world, mark + 10);
      yield* mutex.exit();
    });
    yield null;
    pending.cancel();
  });

/** A thread that waits by callback for itself. */
const selfish = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    yield* mutex.enter();
    mutex.enterCallback(function* (error: null) {
      mustSucceed(error);
      yield* alone(world, mark);
      yield* mutex.exit();
    });
    yield* alone(world, mark);
    world.machine.running.microtasks.push({
      *run() {
        yield* mutex.exit();
      },
    });
  });

/** The owner's death is told, and repaired, once. */
const heir = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    const outcome = yield* mutex.enter();
    yield* inherit(world, mutex, outcome === 'EOWNERDEAD', mark);
  });

const callingHeir = (mark: number): ThreadScript =>
  script(
    starts((world, mutex) => {
      mutex.enterCallback(function* (error: null) {
        mustSucceed(error);
        yield* inherit(world, mutex, yield* mutex.ownerDied(), mark);
      });
    }),
  );

// biome-ignore lint/suspicious/noExplicitAny: an instrumented mutex.
function* inherit(world: World, mutex: any, died: boolean, mark: number): Program {
  const { vars } = world;
  if (died) {
    // The dead owner's mark stands if it died inside.
    if (world.machine.threads[0]?.alive !== false) throw new Violation('the owner is alive');
    vars[0] = 0;
    yield* mutex.makeConsistent();
  }
  yield* alone(world, mark);
  yield* mutex.exit();
}

/** Lives on for a while after its exit(). */
const lingerer = (mark: number): ThreadScript =>
  script(function* (world, mutex) {
    yield* mutex.enter();
    yield* alone(world, mark);
    yield* mutex.exit();
    world.vars[LINGERS] = 1;
    yield null;
  });

/** What an 'exit' event does, some time after the first thread was terminated: in the thread of that index. */
const undertakerIn = (thread: number, mark: number): ThreadScript => ({
  attach(world, api) {
    const mutex = new api.KMutex(world.memory, START);
    const { onDeath } = world.machine;
    world.machine.onDeath = () => {
      onDeath?.();
      world.machine.threads[thread]?.tasks.push({
        *run() {
          yield* mutex.ownerExited(0);
          if (mark === 0) return;
          const outcome = yield* mutex.enter();
          yield* inherit(world, mutex, outcome === 'EOWNERDEAD', mark);
        },
      });
    };
  },
  *run() {
    yield null;
  },
});
const undertaker = undertakerIn(2, 0);

function scenario(name: string, threads: readonly ThreadScript[], done: number, robust = false): Scenario {
  return {
    name: `mutex: ${name}`,
    bytes: 64,
    setup: (world, api) => api.KMutex.initialize(world.memory, START, { robust }),
    threads,
    check: (world) => expectVar(world, DONE, done),
  };
}

/** A robust mutex, and a first thread that may be terminated; the others must not notice more than they are told. */
function mortal(name: string, threads: readonly ThreadScript[], heirs: number, when: (world: World) => boolean): Scenario {
  return {
    ...scenario(name, threads, 0, true),
    victim: { thread: 0, when },
    check: (world) => {
      if ((world.vars[DONE] as number) < heirs) throw new Violation('an heir got nothing');
    },
  };
}

/** Where only 'exit' events tell who is dead. */
function unaided(scenario: Scenario): Scenario {
  return { ...scenario, procfs: false };
}

export const mutexScenarios: readonly Scenario[] = [
  scenario('two threads', [blocker(1), blocker(2)], 2),
  scenario('three threads', [blocker(1), blocker(2), blocker(3)], 3),
  scenario('threads and a callback', [blocker(1), blocker(2), caller(3)], 3),
  scenario('callbacks and a thread', [caller(1), caller(2), blocker(3)], 3),
  scenario('trying', [trier(1), blocker(2), caller(3)], 3),
  scenario('a deadline', [returner(1), hurried(2), blocker(3)], 4),
  scenario('a callback with a deadline', [blocker(1), hurriedCaller(2), blocker(3)], 4),
  scenario('a cancelled callback', [blocker(1), canceller(2), blocker(3)], 4),
  scenario('waiting for oneself', [selfish(1), blocker(2), caller(3)], 4),
  scenario('robust without a death', [heir(1), callingHeir(2)], 2, true),
  mortal('death of an owner', [blocker(1), heir(2), undertaker], 1, () => true),
  mortal('death of an owner, for a callback', [blocker(1), callingHeir(2), undertaker], 1, () => true),
  mortal('death of an owner, two heirs', [blocker(1), heir(2), heir(3)], 2, (world) => world.vars[ALONE] === 1),
  unaided(mortal('death of an owner, without procfs', [blocker(1), heir(2), undertaker], 1, () => true)),
  unaided(mortal('death of an owner, told twice', [blocker(1), undertakerIn(1, 2), undertakerIn(2, 3)], 1, () => true)),
  mortal('death after exit', [lingerer(1), blocker(2), blocker(3)], 3, (world) => world.vars[LINGERS] === 1),
];

/** For random schedules. */
export const largeMutexScenarios: readonly Scenario[] = [
  scenario('four threads, all ways', [returner(1), caller(2), hurriedCaller(3), returner(4)], 7),
  scenario('four threads with deadlines', [returner(1), hurried(2), hurried(3), selfish(4)], 6),
];
