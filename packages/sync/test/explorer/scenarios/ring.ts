import { type Scenario, START, type ThreadScript } from '../explore.js';
import { type Program, Violation } from '../machine.js';
import { count, DONE, mustSucceed, scriptFor } from './common.js';

/** Index of the variable that counts the records that push() has accepted. */
const PUSHED = 2;
/** From this index on: the last record that came from each producer. */
const LAST = 4;

// A record is one word: the number of its producer times 100, plus a number that grows.

interface Ring {
  readonly script: (run: ThreadScript['run']) => ThreadScript;
  readonly className: 'SpscRing' | 'MpscRing';
}

const spsc: Ring = { script: scriptFor('SpscRing'), className: 'SpscRing' };
const mpsc: Ring = { script: scriptFor('MpscRing'), className: 'MpscRing' };

function receive(world: Parameters<ThreadScript['run']>[0], record: number): void {
  const producer = LAST + Math.floor(record / 100);
  if (record <= (world.vars[producer] as number)) throw new Violation(`record ${record} behind ${world.vars[producer]}`);
  world.vars[producer] = record;
  count(world, DONE);
}

/** Pushes records until it is told that the ring is closed; closes it itself in the end if asked to. */
const producer = (ring: Ring, number: number, records: number, batch: number, closes: boolean): ThreadScript =>
  ring.script(function* (world, view) {
    const source = Int32Array.from({ length: records }, (_, index) => number * 100 + 1 + index);
    try {
      for (let done = 0; done < records; ) {
        const moved = yield* view.push(source, Math.min(batch, records - done), done);
        world.vars[PUSHED] = (world.vars[PUSHED] as number) + moved;
        done += moved;
        if (moved === 0) yield* view.waitForSpace(1);
      }
    } catch (error) {
      if ((error as { code?: string }).code !== 'EPIPE') throw error;
    }
    if (closes) yield* view.close();
  });

const callingProducer = (ring: Ring, number: number, records: number): ThreadScript =>
  ring.script(function* (world, view) {
    const source = Int32Array.from({ length: records }, (_, index) => number * 100 + 1 + index);
    let done = 0;
    function* go(error: null): Program {
      mustSucceed(error);
      while (done < records) {
        const moved = yield* view.push(source, 1, done);
        world.vars[PUSHED] = (world.vars[PUSHED] as number) + moved;
        done += moved;
        if (moved === 0) {
          view.waitForSpaceCallback(1, go);
          return;
        }
      }
      yield* view.close();
    }
    yield* go(null);
  });

/** Pops until the ring is drained. */
const consumer = (ring: Ring, batch: number): ThreadScript =>
  ring.script(function* (world, view) {
    const target = new Int32Array(batch);
    for (;;) {
      const moved = yield* view.pop(target, batch);
      for (let index = 0; index < moved; index++) receive(world, target[index] as number);
      if (moved > 0) continue;
      if (yield* view.isDrained()) return;
      yield* view.waitForRecords();
    }
  });

const callingConsumer = (ring: Ring, batch: number): ThreadScript =>
  ring.script(function* (world, view) {
    const target = new Int32Array(batch);
    function* go(error: null): Program {
      mustSucceed(error);
      for (;;) {
        const moved = yield* view.pop(target, batch);
        for (let index = 0; index < moved; index++) receive(world, target[index] as number);
        if (moved > 0) continue;
        if (!(yield* view.isDrained())) view.waitForRecordsCallback(go);
        return;
      }
    }
    yield* go(null);
  });

const closer = (ring: Ring): ThreadScript =>
  ring.script(function* (_world, view) {
    yield* view.close();
  });

function scenario(ring: Ring, name: string, capacity: number, threads: readonly ThreadScript[]): Scenario {
  return {
    name: `${ring.className}: ${name}`,
    bytes: 256 + 8 * capacity,
    setup: (world, api) => api[ring.className].initialize(world.memory, START, { recordBytes: 4, capacity }),
    threads,
    dataWords: Array.from({ length: 2 * capacity }, (_, index) => (START + 256) / 4 + index),
    check(world) {
      const [done, pushed] = [world.vars[DONE], world.vars[PUSHED]];
      if (done !== pushed) throw new Violation(`${pushed} pushed, ${done} popped`);
    },
  };
}

export const ringScenarios: readonly Scenario[] = [
  scenario(spsc, 'more than fits', 2, [producer(spsc, 1, 3, 2, true), consumer(spsc, 2)]),
  scenario(spsc, 'one place', 1, [producer(spsc, 1, 2, 1, true), consumer(spsc, 1)]),
  scenario(spsc, 'callbacks on both sides', 1, [callingProducer(spsc, 1, 2), callingConsumer(spsc, 1)]),
  scenario(spsc, 'a callback consumes', 1, [producer(spsc, 1, 2, 1, true), callingConsumer(spsc, 1)]),
  scenario(spsc, 'closed by a third thread', 1, [producer(spsc, 1, 1, 1, false), consumer(spsc, 1), closer(spsc)]),
  scenario(mpsc, 'one producer', 2, [producer(mpsc, 1, 3, 2, true), consumer(mpsc, 2)]),
  scenario(mpsc, 'two producers, closed by one', 2, [
    producer(mpsc, 1, 1, 1, false),
    producer(mpsc, 2, 1, 1, true),
    consumer(mpsc, 2),
  ]),
  scenario(mpsc, 'two producers, one place', 1, [
    producer(mpsc, 1, 1, 1, false),
    producer(mpsc, 2, 1, 1, true),
    consumer(mpsc, 1),
  ]),
  scenario(mpsc, 'a callback consumes', 1, [producer(mpsc, 1, 2, 1, true), callingConsumer(mpsc, 1)]),
  scenario(mpsc, 'closed by a third thread', 2, [producer(mpsc, 1, 2, 2, false), consumer(mpsc, 2), closer(mpsc)]),
];

/** For random schedules. */
export const largeRingScenarios: readonly Scenario[] = [
  scenario(spsc, 'many records', 4, [producer(spsc, 1, 11, 3, true), callingConsumer(spsc, 4)]),
  scenario(mpsc, 'three producers', 4, [
    producer(mpsc, 1, 5, 2, false),
    producer(mpsc, 2, 4, 3, true),
    producer(mpsc, 3, 3, 1, false),
    consumer(mpsc, 3),
  ]),
];
