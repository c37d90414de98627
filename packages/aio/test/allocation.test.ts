import { expect, it } from 'vitest';
import { runChild } from './support/run-child.js';

// A young generation of this size takes more than all that the operations may allocate, so nothing is collected unasked, unless by V8's
// memory reducer, which does it after some seconds for want of allocation.
const youngGeneration = ['--max-semi-space-size=128', '--min-semi-space-size=128', '--no-memory-reducer', '--expose-gc'];

const ways = [
  ...['null', 'mem', 'one’s own', 'sync', 'reaped', 'fcfs', 'disksort', 'readprio', 'priocscan'],
  ...['limited', 'ordered', 'flush', 'drain', 'batch', 'chains'],
  ...['class', 'two choices', 'stolen', 'class ordered'],
];

/**
 * Bytes an operation: the smallest object has 16. A reading of the clock is a number that is one, made once a batch; a device that is larger than
 * 2^31 bytes makes one for each synchronous request.
 */
const mostBytes: Readonly<Record<string, number>> = { sync: 20 };

/** How often it is tried: on a busy machine the compiler can be so late that code which it has not seen yet makes numbers all the way. */
const ATTEMPTS = 3;

it.each(ways)('a million operations allocate next to nothing, collected or not: %s', { timeout: 120_000 }, async (way) => {
  const most = mostBytes[way] ?? 4;
  let measured = await measure(way);
  for (let left = ATTEMPTS - 1; left > 0 && (measured['allocated'] as number) >= most; left--) measured = await measure(way);
  const { allocated, kept, collections, observed } = measured;
  expect(allocated).toBeLessThan(most);
  expect(kept).toBeLessThan(1);
  expect(collections).toBe(0);
  // Those that the program asked for itself show that the observer sees them.
  expect(observed).toBeGreaterThanOrEqual(2);
});

async function measure(way: string): Promise<{ [name: string]: number }> {
  const { status, stdout, stderr } = await runChild('no-allocation.mjs', [way], youngGeneration);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  console.log(`${way}: ${stdout}`);
  return JSON.parse(stdout) as { [name: string]: number };
}
