import { expect, it } from 'vitest';
import { runChild } from './support/run-child.js';

// A young generation of this size takes more than all that the operations may allocate, so nothing is collected unasked, unless by V8's
// memory reducer, which does it after some seconds for want of allocation.
const youngGeneration = ['--max-semi-space-size=128', '--min-semi-space-size=128', '--no-memory-reducer', '--expose-gc'];

const ways = [
  ...['null', 'mem', 'one’s own', 'pooled', 'sync', 'reaped', 'fcfs', 'disksort', 'readprio', 'priocscan'],
  ...['limited', 'ordered', 'flush', 'drain', 'batch', 'chains'],
  ...['deadlines', 'deadlines one by one', 'one signal', 'a signal each'],
  ...['timeouts by count', 'timeouts by time', 'link timeouts'],
  ...[
    'class',
    'two choices',
    'stolen',
    'class ordered',
    'class batch',
    'class chains',
    'class disksort',
    'class deadlines',
    'class flush',
  ],
  ...['threads', 'threads flush', 'threads disksort', 'threads priocscan', 'threads ordered', 'threads deadlines'],
  ...['threads one signal', 'threads batch', 'threads chains', 'threads class'],
];

/**
 * Bytes an operation: the smallest object has 16. A reading of the clock is a number that is one, made once a batch, and by each operation that has a
 * deadline or is a timeout; a device that is larger than 2^31 bytes makes one for each synchronous request. What else is not nothing the README tells.
 */
const mostBytes: Readonly<Record<string, number>> = {
  sync: 20,
  deadlines: 20,
  'deadlines one by one': 20,
  'class deadlines': 20,
  'threads deadlines': 20,
  // Every other operation is one.
  'timeouts by count': 16,
  'link timeouts': 16,
  'timeouts by time': 64,
  'a signal each': 800,
};

/** What a wake-up of the pool's thread makes, with how the test counts it, and what a service thread makes each time that it looks for operations. */
const WAKE_UP_BYTES = 450;
const LOOK_BYTES = 110;

/** How often it is tried: on a busy machine the compiler can be so late that code which it has not seen yet makes numbers all the way. */
const ATTEMPTS = 3;

it.each(ways)('many operations allocate next to nothing, collected or not: %s', { timeout: 120_000 }, async (way) => {
  const most = mostBytes[way] ?? 4;
  let measured = await measure(way);
  for (let left = ATTEMPTS - 1; left > 0 && perOperation(measured) >= most; left--) measured = await measure(way);
  const { inThreads, wakeUps, kept, collections, observed } = measured;
  expect(perOperation(measured)).toBeLessThan(most);
  expect(inThreads).toBeLessThan(4 + LOOK_BYTES * wakeUps);
  // The compiler and Node keep some 100 kB; the smallest object that was kept of each operation would be 16.
  expect(kept).toBeLessThan(4);
  expect(collections).toBe(0);
  // Those that the program asked for itself show that the observer sees them.
  expect(observed).toBeGreaterThanOrEqual(2);
});

interface Measured {
  readonly allocated: number;
  readonly wakeUps: number;
  readonly inThreads: number;
  readonly kept: number;
  readonly collections: number;
  readonly observed: number;
}

/** Without what each wake-up costs, however many operations it is for. */
function perOperation({ allocated, wakeUps }: Measured): number {
  return allocated - WAKE_UP_BYTES * wakeUps;
}

async function measure(way: string): Promise<Measured> {
  const { status, stdout, stderr } = await runChild('no-allocation.mjs', [way], youngGeneration);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  console.log(`${way}: ${stdout}`);
  return JSON.parse(stdout) as Measured;
}
