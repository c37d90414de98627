import { type Scenario, START, type ThreadScript, type World } from '../explore.js';
import { type Program, Violation } from '../machine.js';
import { count, DONE, expectVar, mustSucceed, scriptFor, starts } from './common.js';

const script = scriptFor('KRwlock');
/** Indexes of the numbers of those who are inside. */
const READERS = 2;
const WRITERS = 3;
/** Index of the variable that says that the guest has been inside. */
const MET = 4;

function* reading(world: World): Program {
  const { vars } = world;
  vars[READERS] = (vars[READERS] as number) + 1;
  expectVar(world, WRITERS, 0);
  yield null;
  expectVar(world, WRITERS, 0);
  vars[READERS] = (vars[READERS] as number) - 1;
  count(world, DONE);
}

function* writing(world: World): Program {
  const { vars } = world;
  if (vars[WRITERS] !== 0 || vars[READERS] !== 0) throw new Violation('a writer is not alone');
  vars[WRITERS] = 1;
  yield null;
  if (vars[WRITERS] !== 1 || vars[READERS] !== 0) throw new Violation('a writer is not alone');
  vars[WRITERS] = 0;
  count(world, DONE);
}

const reader = script(function* (world, lock) {
  yield* lock.enter('reader');
  yield* reading(world);
  yield* lock.exit();
});

const writer = script(function* (world, lock) {
  yield* lock.enter('writer');
  yield* writing(world);
  yield* lock.exit();
});

const hurriedWriter = script(function* (world, lock) {
  if (!(yield* lock.timedEnter('writer', 5))) return count(world, DONE);
  yield* writing(world);
  yield* lock.exit();
});

const callingReader = script(
  starts((world, lock) => {
    lock.enterCallback('reader', function* (error: null) {
      mustSucceed(error);
      yield* reading(world);
      yield* lock.exit();
    });
  }),
);

const callingWriter = script(
  starts((world, lock) => {
    lock.enterCallback('writer', function* (error: null) {
      mustSucceed(error);
      yield* writing(world);
      yield* lock.exit();
    });
  }),
);

const hurriedCallingWriter = script(
  starts((world, lock) => {
    lock.enterCallback(
      'writer',
      function* (error: object | null) {
        if (error !== null) return count(world, DONE);
        yield* writing(world);
        yield* lock.exit();
      },
      { timeoutMs: 5 },
    );
  }),
);

/** A reader that may become the writer, and a reader again. */
const upgrader = script(function* (world, lock) {
  yield* lock.enter('reader');
  if (yield* lock.tryUpgrade()) {
    yield* writing(world);
    yield* lock.downgrade();
  } else count(world, DONE);
  yield* reading(world);
  yield* lock.exit();
});

const downgrader = script(function* (world, lock) {
  yield* lock.enter('writer');
  yield* writing(world);
  yield* lock.downgrade();
  yield* reading(world);
  yield* lock.exit();
});

/** Two readers that must be inside together: the first stays until the second has come. A waiting writer that gave up must not keep them apart. */
const host = script(function* (world, lock) {
  yield* lock.enter('reader');
  yield* reading(world);
  yield* stay(world, lock);
});

/** The same, after it was the writer. */
const formerWriter = script(function* (world, lock) {
  yield* lock.enter('writer');
  yield* writing(world);
  yield* lock.downgrade();
  yield* stay(world, lock);
});

/** Leaves after the guest has been inside. */
// biome-ignore lint/suspicious/noExplicitAny: an instrumented lock.
function* stay(world: World, lock: any): Program {
  if (world.vars[MET] === 1) return yield* lock.exit();
  const host = world.machine.running;
  host.holders++;
  world.machine.onMeeting = (): void => {
    host.tasks.push({
      *run() {
        host.holders--;
        yield* lock.exit();
      },
    });
  };
}

const guest = script(function* (world, lock) {
  yield* lock.enter('reader');
  yield* reading(world);
  world.vars[MET] = 1;
  world.machine.onMeeting?.();
  yield* lock.exit();
});

function scenario(name: string, threads: readonly ThreadScript[], done: number): Scenario {
  return {
    name: `rwlock: ${name}`,
    bytes: 64,
    setup: (world, api) => api.KRwlock.initialize(world.memory, START),
    threads,
    check(world) {
      expectVar(world, DONE, done);
      const state = new Int32Array(world.memory, START)[4];
      const waiting = new Int32Array(world.memory, START)[5];
      if (state !== 0 || waiting !== 0) throw new Violation(`left with state ${state}, ${waiting} writers waiting`);
    },
  };
}

export const rwlockScenarios: readonly Scenario[] = [
  scenario('writers and a reader', [writer, writer, reader], 3),
  scenario('readers and a writer', [reader, reader, writer], 3),
  scenario('a deadline', [reader, hurriedWriter, reader], 3),
  scenario('a deadline among writers', [writer, hurriedWriter, reader], 3),
  scenario('a callback to write', [reader, callingWriter, reader], 3),
  scenario('a callback to read', [writer, callingReader, writer], 3),
  scenario('a callback to write with a deadline', [reader, hurriedCallingWriter, reader], 3),
  scenario('upgrade', [upgrader, reader, callingReader], 4),
  scenario('upgrade against a writer', [upgrader, writer], 3),
  scenario('downgrade', [downgrader, reader, callingReader], 4),
  scenario('downgrade to meet', [formerWriter, guest], 2),
  scenario('a writer that gives up', [host, hurriedWriter, guest], 3),
  scenario('a callback to write that gives up', [host, hurriedCallingWriter, guest], 3),
];

/** For random schedules. */
export const largeRwlockScenarios: readonly Scenario[] = [
  scenario('five threads, all ways', [writer, hurriedWriter, callingWriter, reader, callingReader], 5),
  scenario('five threads that change', [upgrader, downgrader, hurriedCallingWriter, reader, callingReader], 7),
];
