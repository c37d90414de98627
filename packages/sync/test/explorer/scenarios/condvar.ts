import { type Scenario, START, type ThreadScript, type World } from '../explore.js';
import { type Api, type Program, Violation } from '../machine.js';
import { blockLater, count, DONE, expectVar, GATE_BYTES, mustSucceed, starts } from './common.js';

/** Index of the variable that counts tokens. */
const TOKENS = 2;

interface Views {
  readonly mutex: Api;
  readonly condvar: Api;
  readonly gate: Api;
}

const attach = (world: World, api: Api): Views => ({
  mutex: new api.KMutex(world.memory, START),
  condvar: new api.KCondvar(world.memory, START + 64),
  gate: new api.KSemaphore(world.memory, START + 128),
});

const script = (run: (world: World, views: Views) => Program): ThreadScript => ({ attach, run });

function take(world: World): void {
  world.vars[TOKENS] = (world.vars[TOKENS] as number) - 1;
  count(world, DONE);
}

const consumer = script(function* (world, { mutex, condvar }) {
  yield* mutex.enter();
  while (world.vars[TOKENS] === 0) yield* condvar.wait(mutex);
  take(world);
  yield* mutex.exit();
});

/** Gives up at the deadline, unless there is a token by then. */
const hurriedConsumer = script(function* (world, { mutex, condvar }) {
  yield* mutex.enter();
  while (world.vars[TOKENS] === 0) {
    if (!(yield* condvar.timedWait(mutex, 5))) break;
  }
  if ((world.vars[TOKENS] as number) > 0) take(world);
  else count(world, DONE);
  yield* mutex.exit();
});

const callingConsumer = script(
  starts((world, { mutex, condvar }) => {
    function* look(error: { code: string } | null): Program {
      mustSucceed(error);
      if (!(yield* mutex.owned())) throw new Violation('called without the mutex');
      if (world.vars[TOKENS] === 0) {
        yield* condvar.waitCallback(mutex, look);
        return;
      }
      take(world);
      yield* mutex.exit();
    }
    mutex.enterCallback(look);
  }),
);

/** A thread that waits by callback for a token, and then blocks until the other one has seen it. Neither takes it away. */
const busyConsumer = script(
  starts((world, { mutex, condvar, gate }) => {
    function* look(error: { code: string } | null): Program {
      mustSucceed(error);
      if (world.vars[TOKENS] === 0) {
        yield* condvar.waitCallback(mutex, look);
        return;
      }
      yield* passOn(world, { mutex, condvar, gate });
    }
    mutex.enterCallback(look);
    blockLater(world, gate);
  }),
);

const opener = script(function* (world, views) {
  yield* views.mutex.enter();
  while (world.vars[TOKENS] === 0) yield* views.condvar.wait(views.mutex);
  yield* views.gate.post();
  yield* passOn(world, views);
});

function* passOn(world: World, { mutex, condvar }: Views): Program {
  count(world, DONE);
  yield* condvar.signal();
  yield* mutex.exit();
}

/** Two waits by callback, with a deadline each. */
const hurriedCallers = script(function* (world, { mutex, condvar }) {
  function* ended(): Program {
    if (!(yield* mutex.owned())) throw new Violation('called without the mutex');
    if ((world.vars[TOKENS] as number) > 0) take(world);
    else count(world, DONE);
    yield* mutex.exit();
  }
  for (let waiter = 0; waiter < 2; waiter++) {
    yield* mutex.enter();
    yield* condvar.waitCallback(mutex, ended, { timeoutMs: 5 });
  }
});

const producer = (tokens: number): ThreadScript =>
  script(function* (world, { mutex, condvar }) {
    for (let token = 0; token < tokens; token++) {
      yield* mutex.enter();
      count(world, TOKENS);
      yield* condvar.signal();
      yield* mutex.exit();
    }
  });

/** Makes two tokens at once, with a signal for each. */
const twoTokens = script(function* (world, { mutex, condvar }) {
  yield* mutex.enter();
  world.vars[TOKENS] = 2;
  yield* condvar.signal();
  yield* condvar.signal();
  yield* mutex.exit();
});

/** Signals after it has freed the mutex. */
const lateProducer = script(function* (world, { mutex, condvar }) {
  yield* mutex.enter();
  count(world, TOKENS);
  yield* mutex.exit();
  yield* condvar.signal();
});

const broadcaster = (tokens: number): ThreadScript =>
  script(function* (world, { mutex, condvar }) {
    yield* mutex.enter();
    world.vars[TOKENS] = tokens;
    yield* condvar.broadcast();
    yield* mutex.exit();
  });

function scenario(name: string, threads: readonly ThreadScript[], done: number): Scenario {
  return {
    name: `condvar: ${name}`,
    bytes: 128 + GATE_BYTES,
    setup(world, api) {
      api.KMutex.initialize(world.memory, START);
      api.KCondvar.initialize(world.memory, START + 64);
      api.KSemaphore.initialize(world.memory, START + 128);
    },
    threads,
    check: (world) => expectVar(world, DONE, done),
  };
}

export const condvarScenarios: readonly Scenario[] = [
  scenario('a consumer', [producer(1), consumer], 1),
  scenario('two consumers', [producer(2), consumer, consumer], 2),
  scenario('a callback', [producer(1), callingConsumer], 1),
  scenario('a callback of a busy thread', [producer(1), opener, busyConsumer], 2),
  scenario('signal without the mutex', [lateProducer, consumer], 1),
  scenario('signal a callback without the mutex', [lateProducer, callingConsumer], 1),
  scenario('a deadline', [producer(2), hurriedConsumer, consumer], 2),
  scenario('callbacks with deadlines', [producer(1), hurriedCallers], 2),
  scenario('broadcast', [broadcaster(2), consumer, consumer], 2),
  scenario('broadcast to a thread and a callback', [broadcaster(2), consumer, callingConsumer], 2),
];

/** For random schedules. */
export const largeCondvarScenarios: readonly Scenario[] = [
  scenario('a thread and a callback', [twoTokens, consumer, callingConsumer], 2),
  scenario('two producers, two consumers', [producer(2), consumer, callingConsumer, producer(2), consumer, callingConsumer], 4),
  scenario('many deadlines', [producer(4), hurriedConsumer, hurriedCallers, consumer], 4),
];
