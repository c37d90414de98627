import { strict as assert } from 'node:assert';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockDevice, type BlockIo } from '@biodone/blockdev';
import { EIO } from '@biodone/uring';
import { type FaultDevice, openFault } from './fault.js';
import { withProgress } from './progress-watchdog.js';
import { SeededRandom } from './random.js';
import { flushRequest, readRequest, run, writeRequest } from './requests.js';

/** What {@link failEveryNth} is to try. */
export interface SweepTarget {
  /**
   * Builds the stack on devices whose I/O fails, as many as `children` opens. Whatever it opens before it returns does not count.
   *
   * @param fault puts the faulty device over one that the stack is to have
   */
  build(fault: (child: BlockDevice) => BlockDevice): BlockDevice | Promise<BlockDevice>;
  /** @default EIO */
  readonly errno?: number;
  /** Decides what the workload is. @default 1 */
  readonly seed?: number;
  /** How many requests the workload has. @default 40 */
  readonly requests?: number;
  /** Looks at the stack at the end of each run, while its faults are still there. */
  readonly after?: (stack: BlockDevice, faults: readonly FaultDevice[]) => void | Promise<void>;
}

/** What a sweep has tried. */
export interface SweepResult {
  /** How many I/Os the workload makes below, if all goes well: each of them has failed, once and for ever. */
  readonly childRequests: number;
  readonly runs: number;
  /** How many requests have ended with an error, in all runs. */
  readonly errors: number;
}

/**
 * Lets each n-th I/O of the devices under a stack fail, n = 1, 2, … until the workload makes no more, once and for ever, with a workload that
 * is the same each time. It throws if a request hangs or completes twice, and if a read says that it is good and is not: bytes whose write
 * failed may be old, new, or of each some.
 */
export async function failEveryNth(target: SweepTarget): Promise<SweepResult> {
  const clean = await runOnce(target, Number.POSITIVE_INFINITY, 0);
  assert.equal(clean.errors, 0, 'the workload fails without a fault');
  let errors = 0;
  let runs = 1;
  for (let nth = 1; nth <= clean.childRequests; nth++) {
    for (const times of [1, Number.POSITIVE_INFINITY]) {
      try {
        errors += (await runOnce(target, nth - 1, times)).errors;
      } catch (error) {
        if (error instanceof Error) error.message += `\n(child request ${nth} fails ${times === 1 ? 'once' : 'for ever'})`;
        throw error;
      }
      runs += 1;
    }
  }
  return { childRequests: clean.childRequests, runs, errors };
}

async function runOnce(target: SweepTarget, skip: number, times: number): Promise<{ childRequests: number; errors: number }> {
  const faults: FaultDevice[] = [];
  const stack = await target.build((child) => {
    const fault = openFault(child);
    faults.push(fault);
    return fault;
  });
  const before = faults.reduce((sum, { seen }) => sum + seen, 0);
  // Counted over all of them in the order of their coming: the n-th I/O of the stack.
  let left = skip;
  let firings = times;
  const when = (): boolean => {
    if (left > 0) {
      left -= 1;
      return false;
    }
    firings -= 1;
    return firings >= 0;
  };
  const action = { kind: 'error', errno: target.errno ?? EIO } as const;
  for (const fault of faults) fault.addFault({ action, when, times: Number.POSITIVE_INFINITY });
  const errors = await new Workload(stack, target.seed ?? 1).run(target.requests ?? 40);
  await target.after?.(stack, faults);
  const childRequests = faults.reduce((sum, { seen }) => sum + seen, 0) - before;
  // A stack may write something last, and tell that it could not.
  const closed = stack.close().catch((error: NodeJS.ErrnoException) => {
    if (error.errno !== -action.errno) throw error;
  });
  await withProgress(stack, 'close', closed);
  return { childRequests, errors };
}

/** Writes, reads and flushes that are the same for the same seed, and what each byte may be. */
class Workload {
  readonly #stack: BlockDevice;
  readonly #random: SeededRandom;
  readonly #block: number;
  readonly #blocks: number;
  /** For each block: what it may hold; `null` for anything. */
  readonly #allowed: (Set<number> | null)[];
  #errors = 0;

  constructor(stack: BlockDevice, seed: number) {
    this.#stack = stack;
    this.#random = new SeededRandom(seed);
    this.#block = Math.max(512, stack.limits.blockSizeBytes);
    this.#blocks = Math.min(64, Math.floor((stack.limits.sizeBytes ?? 2 ** 20) / this.#block));
    this.#allowed = Array.from({ length: this.#blocks }, () => null);
  }

  async run(requests: number): Promise<number> {
    for (let index = 1; index <= requests; index++) await this.#step((index % 250) + 1);
    return this.#errors;
  }

  async #step(tag: number): Promise<void> {
    const first = this.#random.below(this.#blocks);
    const count = 1 + this.#random.below(Math.min(12, this.#blocks - first));
    const kind = this.#random.pick([BLOCK_WRITE, BLOCK_WRITE, BLOCK_READ, BLOCK_READ, BLOCK_FLUSH]);
    if (kind === BLOCK_FLUSH) {
      await this.#start(flushRequest());
    } else if (kind === BLOCK_READ) {
      const io = readRequest(first * this.#block, count * this.#block);
      if ((await this.#start(io)) === 0) this.#check(io, first, count);
    } else {
      const io = writeRequest(first * this.#block, new Uint8Array(count * this.#block).fill(tag));
      const error = await this.#start(io);
      for (let at = first; at < first + count; at++) {
        if (error === 0) this.#allowed[at] = new Set([tag]);
        else this.#allowed[at]?.add(tag);
      }
    }
  }

  async #start(io: BlockIo): Promise<number> {
    let calls = 0;
    const ended = run(this.#stack, io);
    const { iodone } = io;
    io.iodone = (done) => {
      calls += 1;
      iodone?.(done);
    };
    const { error } = await withProgress(this.#stack, 'a request whose child has failed', ended, [io]);
    assert.ok(calls <= 1, 'a request has completed twice');
    if (error !== 0) this.#errors += 1;
    return error;
  }

  #check(io: BlockIo, first: number, count: number): void {
    const bytes = io.buffer?.bytes ?? new Uint8Array();
    for (let at = 0; at < count; at++) {
      const allowed = this.#allowed[first + at];
      if (allowed === null || allowed === undefined) continue;
      const part = bytes.subarray(at * this.#block, (at + 1) * this.#block);
      const wrong = part.findIndex((byte) => !allowed.has(byte));
      assert.ok(wrong < 0, `block ${first + at} reads ${part[wrong]}, which is not one of ${[...allowed]}`);
    }
  }
}
