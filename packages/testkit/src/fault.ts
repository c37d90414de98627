import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockIo,
  type BlockTimers,
  biodone,
  type DeviceSpec,
  threadTimers,
} from '@biodone/blockdev';
import { ECANCELED, EDEADLK, ETIMEDOUT, SystemError } from '@biodone/uring';
import { checkRule } from './check-fault.js';
import { ActiveFault, type FaultAction, type FaultRule } from './fault-rule.js';
import { FilterDriver } from './filter-driver.js';
import { SeededRandom } from './random.js';
import { bytesOf, eachPart } from './request-memory.js';
import { memoryOf } from './requests.js';

/** Options of {@link openFault}. */
export interface FaultOptions extends BlockDeviceOptions {
  readonly rules?: readonly FaultRule[];
  /** Decides what rules with a probability do. @default 1 */
  readonly seed?: number;
}

/** A device whose requests go wrong by rules: see {@link openFault}. */
export class FaultDevice extends BlockDevice {
  readonly #driver: FaultDriver;

  /** @internal */
  constructor(driver: FaultDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#driver = driver;
  }

  /** The rules in force, in the order in which they are asked. */
  get faults(): readonly ActiveFault[] {
    return this.#driver.faults;
  }

  /** How many requests have come, whether something happened to them or not. */
  get seen(): number {
    return this.#driver.seen;
  }

  /** How many requests never complete unless they are aborted. */
  get stuck(): number {
    return this.#driver.stuck.size;
  }

  /**
   * Puts a rule in force, behind the others: to each request happens what the first rule says that strikes.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE for a rule that could never be meant
   */
  addFault(rule: FaultRule): ActiveFault {
    return this.#driver.add(rule);
  }

  /** Takes all rules back. */
  clearFaults(): void {
    for (const fault of [...this.faults]) fault.remove();
  }

  /** Ends all requests that would never complete, with this errno. */
  endStuck(errno: number): void {
    this.#driver.endStuck(errno);
  }
}

/**
 * Puts a device over another one, whose requests then go wrong by rules. From the same seed and the same requests come the same faults.
 *
 * @example
 * ```js
 * import { BLOCK_READ, openMem } from '@biodone/blockdev';
 * import { openFault, readRequest, run } from '@biodone/testkit';
 *
 * const device = openFault(openMem(4096));
 * device.addFault({ operations: [BLOCK_READ], skip: 1, action: { kind: 'error', errno: 5 } });
 * console.log((await run(device, readRequest(0, 512))).error, (await run(device, readRequest(0, 512))).error); // 0 5
 * await device.close();
 * ```
 */
export function openFault(child: BlockDevice, options: FaultOptions = {}): FaultDevice {
  const driver = new FaultDriver(child, options.seed ?? 1, options.timers ?? threadTimers);
  for (const rule of options.rules ?? []) driver.add(rule);
  return new FaultDevice(driver, options);
}

interface Delayed {
  readonly atMs: number;
  readonly cancel: () => void;
}

class FaultDriver extends FilterDriver {
  readonly faults: ActiveFault[] = [];
  readonly stuck: Set<BlockIo> = new Set();
  seen = 0;
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #timers: BlockTimers;
  readonly #delayed = new Map<BlockIo, Delayed>();
  /** What is to happen when the device below is done. */
  readonly #after = new Map<BlockIo, FaultAction>();

  constructor(child: BlockDevice, seed: number, timers: BlockTimers) {
    // A request that waits here moves on by the timer, in the thread's turn or by wait().
    super('fault', child);
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.#timers = timers;
  }

  add(rule: FaultRule): ActiveFault {
    checkRule(rule);
    const fault = new ActiveFault(rule, () => {
      const index = this.faults.indexOf(fault);
      if (index >= 0) this.faults.splice(index, 1);
    });
    this.faults.push(fault);
    return fault;
  }

  override config(): DeviceSpec {
    return { ...super.config(), seed: this.#seed };
  }

  override start(io: BlockIo): void {
    const action = this.#strike(io);
    if (action?.kind === 'delay') this.#delay(io, action.delayMs);
    else if (action?.kind === 'never') this.stuck.add(io);
    else this.#act(io, action, false);
  }

  override startSync(io: BlockIo): void {
    const action = this.#strike(io);
    if (action?.kind === 'never') {
      io.error = ETIMEDOUT;
      return;
    }
    if (action?.kind === 'delay') this.#timers.sleep(action.delayMs);
    this.#act(io, action, true);
  }

  override abort(io: BlockIo): AbortVerdict {
    const delayed = this.#delayed.get(io);
    if (!this.stuck.delete(io) && delayed === undefined) return super.abort(io);
    delayed?.cancel();
    this.#delayed.delete(io);
    biodone(io, ECANCELED);
    return 'cancelled';
  }

  endStuck(errno: number): void {
    for (const io of [...this.stuck]) if (this.stuck.delete(io)) biodone(io, errno);
  }

  override poll(): number {
    for (const [io, { atMs }] of this.#delayed) if (this.#timers.now() >= atMs) this.#startDelayed(io);
    return super.poll();
  }

  override wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const due = Math.min(...[...this.#delayed.values()].map(({ atMs }) => atMs - this.#timers.now()));
    if (this.child.inFlight > 0) return super.wait(Math.max(0, Math.min(timeoutMs, due)));
    const sleepMs = Math.max(0, Math.min(timeoutMs, due));
    if (sleepMs === Number.POSITIVE_INFINITY) {
      if (this.stuck.size === 0) return 0;
      throw new SystemError(EDEADLK, 'wait', undefined, 'a fault keeps the requests from completing: abort() ends them');
    }
    this.#timers.sleep(sleepMs);
    return due > timeoutMs ? 'ETIME' : this.poll();
  }

  protected override passed(io: BlockIo, below: BlockIo): number {
    const action = this.#after.get(io);
    if (action === undefined) return below.error;
    this.#after.delete(io);
    if (below.error !== 0) return below.error;
    if (action.kind === 'corrupt') corrupt(io, action);
    if (action.kind !== 'torn') return 0;
    if (action.errno === undefined) io.transferredBytes = io.lengthBytes;
    return action.errno ?? 0;
  }

  #strike(io: BlockIo): FaultAction | undefined {
    this.seen += 1;
    return this.faults.find((fault) => fault.strikes(io, this.#random))?.rule.action;
  }

  #act(io: BlockIo, action: FaultAction | undefined, sync: boolean): void {
    const pass = (changes?: Partial<BlockIo>): void => (sync ? this.passSync(io, changes) : this.pass(io, changes));
    if (action === undefined) {
      pass();
    } else if (action.kind === 'error') {
      this.#end(io, action.errno, sync);
    } else if (action.kind === 'lost') {
      if (io.operation !== BLOCK_FLUSH) io.transferredBytes = io.lengthBytes;
      this.#end(io, 0, sync);
    } else if (action.kind === 'misdirected') {
      pass({ offset: io.offset + action.byBytes });
    } else if (action.kind === 'corrupt' && io.operation === BLOCK_WRITE) {
      pass(corrupted(io, action));
    } else if (action.kind === 'torn' && io.operation === BLOCK_WRITE) {
      this.#tear(io, action, sync, pass);
    } else {
      if (action.kind === 'corrupt') this.#after.set(io, action);
      pass();
    }
  }

  #tear(io: BlockIo, action: FaultAction & { kind: 'torn' }, sync: boolean, pass: (changes?: Partial<BlockIo>) => void): void {
    const lengthBytes = Math.min(io.lengthBytes, action.sectors * (action.sectorBytes ?? 512));
    if (lengthBytes === 0) {
      if (action.errno === undefined) io.transferredBytes = io.lengthBytes;
      this.#end(io, action.errno ?? 0, sync);
      return;
    }
    this.#after.set(io, action);
    pass({ buffer: memoryOf(bytesOf(io)), bufferOffset: 0, vector: null, lengthBytes });
  }

  #end(io: BlockIo, errno: number, sync: boolean): void {
    if (sync) io.error = errno;
    else biodone(io, errno);
  }

  #delay(io: BlockIo, delayMs: number): void {
    const cancel = this.#timers.after(delayMs, () => this.#startDelayed(io), true);
    this.#delayed.set(io, { atMs: this.#timers.now() + delayMs, cancel });
  }

  #startDelayed(io: BlockIo): void {
    this.#delayed.get(io)?.cancel();
    this.#delayed.delete(io);
    this.pass(io);
  }
}

type Corruption = FaultAction & { kind: 'corrupt' };

/** Flips bits of a request's memory. */
function corrupt(io: BlockIo, { position: first = 0, lengthBytes = 1, mask = 255 }: Corruption): void {
  if (io.operation !== BLOCK_READ) return;
  eachPart(io, (bytes, begin) => {
    for (let index = 0; index < bytes.length; index++) {
      const position = begin + index;
      if (position >= first && position < first + lengthBytes) bytes[index] = (bytes[index] as number) ^ mask;
    }
  });
}

/** A write's memory with flipped bits: the caller's own stays as it is. */
function corrupted(io: BlockIo, { position = 0, lengthBytes = 1, mask = 255 }: Corruption): Partial<BlockIo> {
  const bytes = bytesOf(io);
  for (let index = position; index < Math.min(bytes.length, position + lengthBytes); index++)
    bytes[index] = (bytes[index] as number) ^ mask;
  return { buffer: memoryOf(bytes), bufferOffset: 0, vector: null };
}
