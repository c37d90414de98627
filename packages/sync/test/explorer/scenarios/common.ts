import { START, type ThreadScript, type World } from '../explore.js';
import { type Api, type Program, Violation } from '../machine.js';

// What the scenarios share. In each of them variable 0 names who is alone in the critical section, and variable 1 counts what was done.

export const ALONE = 0;
export const DONE = 1;

/** Steps of a critical section: nobody else may be in it. */
export function* alone(world: World, mark: number): Program {
  const { vars } = world;
  expectVar(world, ALONE, 0);
  vars[ALONE] = mark;
  yield null;
  expectVar(world, ALONE, mark);
  vars[ALONE] = 0;
  count(world, DONE);
}

export function count(world: World, index: number): void {
  world.vars[index] = (world.vars[index] as number) + 1;
}

export function expectVar(world: World, index: number, value: number): void {
  const found = world.vars[index];
  if (found !== value) throw new Violation(`variable ${index} is ${found}, not ${value}`);
}

/** A callback must come without an error. */
export function mustSucceed(error: { code: string } | null): void {
  if (error !== null) throw new Violation(`a callback got ${error.code}`);
}

/** A script whose views are a primitive of that class at the start of the memory. */
export function scriptFor(className: string): (run: ThreadScript['run']) => ThreadScript {
  return (run) => ({ attach: (world: World, api: Api): Api => new api[className](world.memory, START), run });
}

/** A semaphore with which one thread of a scenario lets another go on. */
export const GATE_BYTES = 64;

/** Keeps this thread from its callbacks, some time after they began to wait, until the gate is opened. */
export function blockLater(world: World, gate: Api): void {
  world.machine.running.tasks.push({
    *run() {
      yield* gate.wait();
    },
  });
}

/** A program that only starts something, in one step. */
export function starts<Views>(start: (world: World, views: Views) => void): (world: World, views: Views) => Program {
  return function* (world, views) {
    start(world, views);
    yield null;
  };
}
