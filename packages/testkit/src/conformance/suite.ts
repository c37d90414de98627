import { strict as assert } from 'node:assert';
import {
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockDeviceOptions,
  type BlockIo,
  type DeviceSpec,
} from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';
import { withProgress } from '../progress-watchdog.js';
import { SeededRandom } from '../random.js';
import { type Outcome, readRequest, run, runSync, writeRequest } from '../requests.js';

/** Where the tests go: vitest's, mocha's and node:test's `describe` and `it` all fit. */
export interface ConformanceRunner {
  describe(name: string, define: () => void): unknown;
  it(name: string, test: () => Promise<void>): unknown;
}

/** What is tested, and what can be done to it. */
export interface ConformanceTarget {
  /** How the device is called in the tests' names. */
  readonly name: string;
  /**
   * Opens it anew, of at least 512 KiB, with contents that nobody else changes. The options go to the device under test, not to those below.
   */
  open(options?: BlockDeviceOptions): BlockDevice | Promise<BlockDevice>;
  /** Whether it reads what was written. @default true */
  readonly keepsData?: boolean;
  /** Of a device for reading alone: what it holds. */
  readonly contents?: Uint8Array;
  /** Opens what `config()` has returned, where that is possible. The device before it is closed then. */
  readonly reopen?: (config: DeviceSpec) => BlockDevice | Promise<BlockDevice>;
  /** Takes the medium away, as unplugging does; the device must learn of it by itself. */
  readonly remove?: (device: BlockDevice) => void;
  /** Changes the size of the medium. */
  readonly resize?: (device: BlockDevice, sizeBytes: number) => void;
  /** Random tests use it; it stands in the message of each failure. @default BIODONE_SEED, or another each time */
  readonly seed?: number;
  /** How many random operations. @default 400 */
  readonly rounds?: number;
  /** What memory most requests have, such as `IoBuffer.inWebAssembly`; what is about memory itself brings its own. @default IoBuffer.allocate */
  readonly allocate?: (lengthBytes: number) => IoBuffer;
  /** How long there may be no progress, in milliseconds. @default 10000 */
  readonly watchdogMs?: number;
}

/** A target with what the parts of the suite need of it. */
export class Suite {
  readonly target: ConformanceTarget;
  readonly runner: ConformanceRunner;
  readonly seed: number;

  constructor(runner: ConformanceRunner, target: ConformanceTarget) {
    this.runner = runner;
    this.target = target;
    this.seed = target.seed ?? Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  }

  get keepsData(): boolean {
    return this.target.keepsData ?? true;
  }

  /** Defines a test on a device of its own, which is closed after it; each failure names the seed. */
  test(name: string, body: (bench: Bench) => Promise<void>, options?: BlockDeviceOptions): void {
    this.runner.it(name, async () => {
      const device = await this.target.open(options);
      const bench = new Bench(device, this);
      try {
        await body(bench);
        await bench.settle('close', device.close());
      } catch (error) {
        if (error instanceof Error) error.message += `\n(BIODONE_SEED=${this.seed})`;
        // What hangs is not to be waited for once more.
        void device.close();
        throw error;
      }
    });
  }

  group(name: string, define: () => void): void {
    this.runner.describe(name, define);
  }
}

/** A device under test, with its geometry and short ways to use it. */
export class Bench {
  readonly device: BlockDevice;
  readonly random: SeededRandom;
  readonly suite: Suite;
  readonly block: number;
  readonly size: number;

  constructor(device: BlockDevice, suite: Suite) {
    this.device = device;
    this.suite = suite;
    this.random = new SeededRandom(suite.seed);
    this.block = device.limits.blockSizeBytes;
    this.size = device.limits.sizeBytes ?? 2 ** 20;
    assert.ok(this.size >= 2 ** 19, 'a device under test has at least 512 KiB');
  }

  /** A length of about so many bytes that the device can take. */
  length(bytes: number): number {
    return Math.max(1, Math.round(bytes / this.block)) * this.block;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.random.fill(bytes);
    return bytes;
  }

  settle<T>(what: string, promise: Promise<T>, requests: readonly BlockIo[] = []): Promise<T> {
    return withProgress(this.device, what, promise, requests, this.suite.target.watchdogMs);
  }

  /** Starts requests all at once, and waits for them. */
  all(requests: readonly BlockIo[]): Promise<Outcome[]> {
    return this.settle('requests', Promise.all(requests.map((io) => run(this.device, io))), requests);
  }

  async one(io: BlockIo): Promise<Outcome> {
    return (await this.all([io]))[0] as Outcome;
  }

  sync(io: BlockIo): Outcome {
    return runSync(this.device, io);
  }

  /** Gives a request memory of the kind that the target wants, with what is in it now. */
  move(io: BlockIo): BlockIo {
    const { allocate } = this.suite.target;
    if (allocate === undefined || io.buffer === null) return io;
    const moved = allocate(io.buffer.lengthBytes);
    moved.bytes.set(io.buffer.bytes);
    io.buffer = moved;
    return io;
  }

  async write(offset: number, bytes: Uint8Array, flags = 0): Promise<void> {
    const io = this.move(writeRequest(offset, bytes, flags));
    assert.deepEqual(await this.one(io), { error: 0, transferredBytes: bytes.length });
  }

  async read(offset: number, lengthBytes: number): Promise<Uint8Array> {
    const io = this.move(readRequest(offset, lengthBytes));
    assert.deepEqual(await this.one(io), { error: 0, transferredBytes: lengthBytes });
    return io.buffer?.bytes.subarray(0, lengthBytes) ?? new Uint8Array();
  }

  /** Reads, and compares where the device keeps data. */
  async expect(offset: number, expected: Uint8Array, what: string): Promise<void> {
    const found = await this.read(offset, expected.length);
    if (!this.suite.keepsData || Buffer.compare(found, expected) === 0) return;
    const at = found.findIndex((byte, index) => byte !== expected[index]);
    assert.fail(`${what}: at ${offset + at} is ${found[at]} instead of ${expected[at]}`);
  }
}

/** What differs between the two ways to start a request is tested by running both. */
export const TRANSFERS: readonly [typeof BLOCK_READ, typeof BLOCK_WRITE] = [BLOCK_READ, BLOCK_WRITE];
