import { type Scenario, START, type ThreadScript } from '../explore.js';
import { Violation } from '../machine.js';
import { blockLater, count, DONE, expectVar, GATE_BYTES, mustSucceed, scriptFor } from './common.js';

const script = scriptFor('KSemaphore');
/** Index of the variable that counts those who gave up. */
const GAVE_UP = 2;

const taker = script(function* (world, semaphore) {
  yield* semaphore.wait();
  count(world, DONE);
});

const caller = script(function* (world, semaphore) {
  yield* semaphore.waitCallback((error: null) => {
    mustSucceed(error);
    count(world, DONE);
  });
});

const twoCallers = script(function* (world, semaphore) {
  for (let waiter = 0; waiter < 2; waiter++) {
    yield* semaphore.waitCallback((error: null) => {
      mustSucceed(error);
      count(world, DONE);
    });
  }
});

const hurried = script(function* (world, semaphore) {
  count(world, (yield* semaphore.timedWait(5)) ? DONE : GAVE_UP);
});

const hurriedCaller = script(function* (world, semaphore) {
  yield* semaphore.waitCallback((error: object | null) => count(world, error === null ? DONE : GAVE_UP), { timeoutMs: 5 });
});

/** Takes a unit and gives it back. */
const user = script(function* (world, semaphore) {
  yield* semaphore.wait();
  yield null;
  count(world, DONE);
  yield* semaphore.post();
});

/** A thread that waits by callback, and then blocks until the other waiter has got the unit. Both give it back. */
const busyCaller: ThreadScript = {
  attach: (world, api) => ({
    semaphore: new api.KSemaphore(world.memory, START),
    gate: new api.KSemaphore(world.memory, START + 64),
  }),
  *run(world, { semaphore, gate }) {
    yield* semaphore.waitCallback(function* (error: null) {
      mustSucceed(error);
      count(world, DONE);
      yield* semaphore.post();
    });
    blockLater(world, gate);
  },
};

const opener: ThreadScript = {
  attach: busyCaller.attach,
  *run(world, { semaphore, gate }) {
    yield* semaphore.wait();
    count(world, DONE);
    yield* gate.post();
    yield* semaphore.post();
  },
};

/** The unit of the two above comes late. */
const latePoster: ThreadScript = {
  attach: busyCaller.attach,
  *run(_world, { semaphore }) {
    yield* semaphore.post();
  },
};

const poster = (...counts: readonly number[]): ThreadScript =>
  script(function* (_world, semaphore) {
    for (const units of counts) yield* semaphore.post(units);
  });

/** At the end so many units have come; each was taken, or is still there. */
function scenario(name: string, threads: readonly ThreadScript[], units: number, waiters: number, kept = false): Scenario {
  return {
    name: `semaphore: ${name}`,
    bytes: 64 + GATE_BYTES,
    setup(world, api) {
      api.KSemaphore.initialize(world.memory, START, { count: kept ? units : 0 });
      api.KSemaphore.initialize(world.memory, START + 64);
    },
    threads,
    check(world) {
      const left = new Int32Array(world.memory, START)[4] as number;
      const done = world.vars[DONE] as number;
      if ((kept ? 0 : done) + left !== units) throw new Violation(`${done} taken, ${left} left of ${units}`);
      expectVar(world, GAVE_UP, waiters - done);
    },
  };
}

export const semaphoreScenarios: readonly Scenario[] = [
  scenario('two threads', [poster(1, 1), taker, taker], 2, 2),
  scenario('two units at once', [poster(2), taker, taker], 2, 2),
  scenario('a thread and a callback', [poster(1, 1), taker, caller], 2, 2),
  scenario('two callbacks of a thread', [poster(1, 1), twoCallers], 2, 2),
  scenario('a deadline', [poster(1, 1), hurried, taker], 2, 2),
  scenario('a callback with a deadline', [poster(1), hurriedCaller], 1, 1),
  {
    ...scenario('a callback of a busy thread', [latePoster, opener, busyCaller], 1, 2),
    check: (world) => expectVar(world, DONE, 2),
  },
  scenario('handing on', [user, user, user], 1, 3, true),
];

/** For random schedules. */
export const largeSemaphoreScenarios: readonly Scenario[] = [
  scenario('four threads, all ways', [poster(1, 2, 1), taker, twoCallers, hurried], 4, 4),
  scenario('handing on among five', [user, user, user, user, user], 2, 5, true),
];
