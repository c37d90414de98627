import { SoftInterrupt, type SoftInterruptScheduler } from '@biodone/sync';
import { describe, expect, it } from 'vitest';

/** A scheduler that only notes what it is asked for, and runs it when told. */
class Turns implements SoftInterruptScheduler {
  readonly microtasks: (() => void)[] = [];
  readonly immediates: (() => void)[] = [];
  readonly errors: unknown[] = [];
  microtask = (handler: () => void): void => void this.microtasks.push(handler);
  immediate = (handler: () => void): void => void this.immediates.push(handler);
  uncaught = (error: unknown): void => void this.errors.push(error);

  runMicrotasks(): void {
    for (let handler = this.microtasks.shift(); handler !== undefined; handler = this.microtasks.shift()) handler();
  }
}

describe('SoftInterrupt', () => {
  it('runs once for many schedules, after the caller', async () => {
    let runs = 0;
    const interrupt = new SoftInterrupt(() => {
      runs += 1;
      return 1;
    });
    interrupt.schedule();
    interrupt.schedule();
    expect([runs, interrupt.scheduled]).toEqual([0, true]);
    await null;
    expect([runs, interrupt.scheduled]).toEqual([1, false]);
  });

  it('leaves the microtasks for the event loop when its budget is used up, and has a new one there', () => {
    const turns = new Turns();
    const budgets: number[] = [];
    const interrupt: SoftInterrupt = new SoftInterrupt(
      (budget) => {
        budgets.push(budget);
        interrupt.schedule();
        return Math.min(budget, 4);
      },
      { budget: 10, scheduler: turns },
    );
    interrupt.schedule();
    turns.runMicrotasks();
    expect(budgets).toEqual([10, 6, 2]);
    expect(turns.immediates.length).toBe(1);
    turns.immediates.shift()?.();
    expect(budgets).toEqual([10, 6, 2, 10]);
  });

  it('runs what is left when an exception in runNow has used up the budget before the microtask came', () => {
    const turns = new Turns();
    const left = ['bad', 'a', 'b'];
    const handled: string[] = [];
    const interrupt: SoftInterrupt = new SoftInterrupt(
      (budget) => {
        for (let count = 0; count < budget; count++) {
          const name = left.shift();
          if (name === 'bad') throw new Error('bad');
          if (name === undefined) return count;
          handled.push(name);
        }
        return budget;
      },
      { scheduler: turns },
    );
    interrupt.schedule();
    expect(interrupt.runNow(3)).toBe(0);
    turns.runMicrotasks();
    while (turns.immediates.length > 0) turns.immediates.shift()?.();
    expect(handled).toEqual(['a', 'b']);
  });

  it('surfaces an exception, runs again for what was left, and does not starve the event loop by that', () => {
    const turns = new Turns();
    let runs = 0;
    const interrupt: SoftInterrupt = new SoftInterrupt(
      () => {
        runs += 1;
        interrupt.schedule();
        throw new Error(`run ${runs}`);
      },
      { scheduler: turns },
    );
    interrupt.schedule();
    turns.runMicrotasks();
    expect([runs, turns.errors.length, turns.immediates.length]).toEqual([1, 1, 1]);
    turns.immediates.shift()?.();
    turns.runMicrotasks();
    expect([runs, turns.errors.length, turns.immediates.length]).toEqual([2, 2, 1]);
  });

  it('can be run by the caller', () => {
    const interrupt = new SoftInterrupt((budget) => budget - 1);
    expect(interrupt.runNow(5)).toBe(4);
  });

  it('has a budget of at least one item', () => {
    for (const budget of [0, -1, 1.5, Number.NaN]) {
      expect(() => new SoftInterrupt(() => 0, { budget })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    }
  });
});
