import { constants } from 'node:os';
import { BLOCK_FUA, BLOCK_RESET, BLOCK_WRITE_ZEROES, type BlockIo, IO_DONE } from '@biodone/blockdev';
import {
  compareRequest,
  flushRequest,
  type ManualDevice,
  openManual,
  readRequest,
  request,
  SeededRandom,
  turn,
  VirtualTime,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';

const { EAGAIN, EBADF, ECANCELED, EILSEQ, EIO, ENODEV } = constants.errno;
const SIZE = 16_384;
const STEPS = 150;
const SCHEDULES = 600;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

const limits = [
  { transferUnitBytes: 64, maxTransferBytes: 512, boundaryBytes: 1024, maxInFlight: 1 },
  { transferUnitBytes: 64, maxTransferBytes: 512, maxInFlight: 3, maxZeroesBytes: 700 },
  { maxTransferBytes: 300, maxInFlight: 2 },
  { blockSizeBytes: 64, boundaryBytes: 192 },
];

/** Everything that can happen to a device, in an order that a seed decides. */
class Chaos {
  readonly random: SeededRandom;
  readonly timers = new VirtualTime();
  readonly device: ManualDevice;
  readonly calls = new Map<BlockIo, number>();
  readonly block: number;
  #quiesced = 0;
  #quiets = 0;
  #quietsSeen = 0;
  #closed: Promise<void> | null = null;
  removed = false;
  poisoned = false;

  constructor(schedule: number) {
    this.random = new SeededRandom(seed + schedule);
    const chosen = this.random.pick(limits);
    this.device = openManual(SIZE, {
      timers: this.timers,
      piecesMax: this.random.pick([1, 2, 3, 64]),
      limits: chosen,
      capabilities: { zeroes: this.random.pick(['emulate', 'native', 'fast'] as const), discard: true },
      abortable: this.random.chance(0.5),
      onStarted: (io) => this.#seen(io, chosen.maxInFlight ?? 65536),
    });
    this.block = this.device.limits.blockSizeBytes;
  }

  async step(): Promise<void> {
    const { device, random } = this;
    const kind = random.below(100);
    if (kind < 40) this.start(this.#request());
    else if (kind < 75) this.#complete();
    else if (kind < 83) this.#abort();
    else if (kind < 86) this.start(request(BLOCK_RESET));
    else if (kind < 89) this.#quiesce();
    else if (kind < 93 && this.#quiesced > 0) this.#resume();
    else if (kind < 96) this.timers.advance(random.below(30));
    else await turn();
    if (device.inFlight > 60) this.#complete();
  }

  start(io: BlockIo): void {
    let inside = true;
    this.calls.set(io, 0);
    io.iodone = () => {
      expect(inside, 'a callback ran inside strategy()').toBe(false);
      expect(io.state).toBe(IO_DONE);
      expect([0, EIO, ECANCELED, EILSEQ, ENODEV, EBADF]).toContain(io.error);
      expect(io.transferredBytes).toBeLessThanOrEqual(io.lengthBytes);
      if (io.error === 0 && io.operation < 2) expect(io.transferredBytes).toBe(io.lengthBytes);
      this.calls.set(io, (this.calls.get(io) ?? 0) + 1);
    };
    this.device.strategy(io);
    inside = false;
  }

  /** Ends what is there, by all means that there are but a miracle, and sees that nothing is left. */
  async end(): Promise<void> {
    while (this.#quiesced > 0) this.#resume();
    if (this.random.chance(0.3)) {
      this.removed = true;
      this.device.remove();
    }
    if (this.random.chance(0.3)) this.#closed = this.device.close();
    for (let rounds = 0; this.device.inFlight > 0 && rounds < 5000; rounds++) {
      while (this.device.started.length > 0) this.device.complete(this.random.pick(this.device.started));
      await turn();
      this.timers.advance(10);
    }
    expect(this.device.inFlight, 'requests are stuck').toBe(0);
    await turn();
    for (const [io, count] of this.calls)
      expect(count, `a request of operation ${io.operation} has completed ${count} times`).toBe(1);
    expect(this.#quietsSeen).toBe(this.#quiets);
    await (this.#closed ?? this.device.close());
    expect(this.timers.pending).toBe(0);
  }

  #request(): BlockIo {
    const { random, block } = this;
    const length = (1 + random.below(random.pick([1, 40, Math.floor(3000 / block)]) + 1)) * block;
    const offset = random.below(Math.floor((SIZE - length) / block)) * block;
    const flags = random.pick([0, 0, 0, BLOCK_FUA]);
    switch (random.below(8)) {
      case 0:
        return flushRequest();
      case 1:
        return request(BLOCK_WRITE_ZEROES, { offset, lengthBytes: length, flags });
      case 2:
        return compareRequest(offset, new Uint8Array(length), new Uint8Array(length).fill(random.below(2)), flags);
      case 3:
        return readRequest(offset, length);
      default:
        return writeRequest(offset, new Uint8Array(length).fill(random.below(3)), flags);
    }
  }

  #complete(): void {
    const { device, random } = this;
    if (device.started.length === 0) return;
    const io = random.pick(device.started);
    // A failed flush is for ever, and would hide the rest.
    const errno = random.chance(0.1) ? EAGAIN : random.chance(0.05) && io.operation !== 2 ? EIO : 0;
    device.complete(io, errno);
  }

  #abort(): void {
    const live = [...this.calls].filter(([, count]) => count === 0).map(([io]) => io);
    if (live.length === 0) return;
    const io = this.random.pick(live);
    const verdict = this.device.abort(io);
    if (verdict === 'cancelled') expect(io.error).toBe(ECANCELED);
  }

  #quiesce(): void {
    this.#quiesced += 1;
    this.#quiets += 1;
    void this.device.quiesce().then(() => {
      this.#quietsSeen += 1;
    });
  }

  #resume(): void {
    this.#quiesced -= 1;
    this.device.resume();
  }

  /** A driver sees only what it can take. */
  #seen({ operation, offset, lengthBytes, vector, flags }: BlockIo, maxInFlight: number): void {
    const { limits: all, started } = this.device;
    expect(started.length).toBeLessThanOrEqual(maxInFlight);
    expect(this.removed, 'the driver got a request after its removal').toBe(false);
    if (operation === 2) return;
    const { boundaryBytes, transferUnitBytes } = all;
    expect([offset % transferUnitBytes, lengthBytes % transferUnitBytes, vector, flags]).toEqual([0, 0, null, 0]);
    expect(offset + lengthBytes).toBeLessThanOrEqual(SIZE);
    if (operation < 2) expect(lengthBytes).toBeLessThanOrEqual(all.maxTransferBytes);
    if (boundaryBytes > 0) expect((offset % boundaryBytes) + lengthBytes).toBeLessThanOrEqual(boundaryBytes);
  }
}

describe('whatever happens in whatever order', () => {
  it('each request completes once, nothing is stuck, and the driver sees only what it can take', async () => {
    console.log(`chaos: BIODONE_SEED=${seed}`);
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      const chaos = new Chaos(schedule);
      try {
        for (let step = 0; step < STEPS; step++) await chaos.step();
        await chaos.end();
      } catch (error) {
        if (error instanceof Error) error.message += `\n(schedule ${schedule}, BIODONE_SEED=${seed})`;
        throw error;
      }
    }
  }, 120_000);
});
