import type { Verifier } from '../verify/verifier.js';
import type { IoChooser } from './io-chooser.js';
import { IO_FDATASYNC, IO_FSYNC, IO_READ, IO_TRIM, IO_WRITE, type IoUnit } from './io-unit.js';
import type { JobFailure } from './job-failure.js';
import type { JobPlan } from './job-plan.js';
import { overlaps } from './overlap.js';
import { Random } from './random.js';
import { RatePlan } from './rate-plan.js';

/** Who is told of a mismatch. */
interface FailureSink {
  fail(failure: JobFailure): void;
}

/** Who knows the time. It is asked only where it matters: a time that is passed on is a number on the heap. */
interface TimeSource {
  readonly nowNs: number;
}

/** How many I/Os there still are, and what the next one is and when: all that stands between the workload and the loop. */
export class NextIo {
  readonly #chooser: IoChooser;
  readonly #iosMax: number;
  readonly #bytesMax: number;
  readonly #verifier: Verifier | null;
  /** Neither rate, fsync, think time nor verification: the short way. */
  readonly #isPlain: boolean;
  readonly #rates: readonly (RatePlan | null)[];
  readonly #hasBothRates: boolean;
  readonly #syncEvery: number;
  readonly #syncOperation: number;
  readonly #thinkNs: number;
  readonly #thinkEvery: number;
  /** How long I/O goes on between two thoughts, instead of how many; 0 where their number counts. */
  readonly #thinkAfterNs: number;
  readonly #thinkSpinNs: number;
  /** All I/Os of the job, where none may touch what another one in flight touches; else none. */
  readonly #apart: readonly IoUnit[];
  /** Where each write gets new data: what makes them. */
  readonly #refill: Random | null;
  readonly isOpenLoop: boolean;
  #ios = 0;
  #bytes = 0;
  #writesSinceSync = 0;
  #iosSinceThought = 0;
  #resumeNs = 0;
  #spinUntilNs = 0;
  #dueNs = 0;
  /** Whether the unit that was asked for last is filled in and waits for its time, or for another one. */
  #isHolding = false;
  #isChecking = false;
  #isFlushing = false;

  /** @param units all that can be in flight */
  constructor(plan: JobPlan, chooser: IoChooser, verifier: Verifier | null, units: readonly IoUnit[] = []) {
    const { options } = plan.job;
    this.#chooser = chooser;
    this.#verifier = verifier;
    this.#iosMax = plan.totalIos;
    this.#bytesMax = plan.totalBytes;
    const arrivals = options.rate_process === 'poisson' ? new Random(plan.seed + 1) : null;
    this.#rates = (['read', 'write', 'trim'] as const).map((name) =>
      options.rate[name] + options.rate_iops[name] === 0
        ? null
        : new RatePlan(options.rate[name], options.rate_iops[name], arrivals),
    );
    this.isOpenLoop = this.#rates.some((rate) => rate !== null);
    this.#hasBothRates = options.rw.reads && options.rw.writes && this.#rates[IO_READ] !== null && this.#rates[IO_WRITE] !== null;
    this.#syncEvery = options.fdatasync > 0 ? options.fdatasync : options.fsync;
    this.#syncOperation = options.fdatasync > 0 ? IO_FDATASYNC : IO_FSYNC;
    this.#thinkNs = options.thinktime * 1e3;
    this.#thinkEvery = options.thinktime_blocks;
    this.#thinkAfterNs = options.thinktime_iotime * 1e3;
    this.#thinkSpinNs = Math.min(options.thinktime_spin, options.thinktime) * 1e3;
    this.#apart = options.serialize_overlap ? units : [];
    this.#refill = options.refill_buffers ? new Random(plan.seed + 2) : null;
    this.#isPlain =
      !this.isOpenLoop &&
      this.#syncEvery === 0 &&
      this.#thinkNs === 0 &&
      verifier === null &&
      this.#refill === null &&
      this.#apart.length === 0;
  }

  /** Where {@link isHolding}: when the held unit can be asked for again. */
  get dueNs(): number {
    return this.#dueNs;
  }

  /** Until then a wait is to be spent working: thinktime_spin. */
  get spinUntilNs(): number {
    return this.#spinUntilNs;
  }

  get isHolding(): boolean {
    return this.#isHolding;
  }

  begin(nowNs: number): void {
    this.#isHolding = false;
    this.#dueNs = nowNs;
    this.#resumeNs = nowNs;
    for (const rate of this.#rates) rate?.begin(nowNs);
  }

  /** From now on what was written is read and verified, and nothing else happens. */
  check(): void {
    this.#isChecking = true;
    this.#verifier?.checkAll();
  }

  /** The next phase is a flush, and nothing else. */
  flushOnce(): void {
    this.#isChecking = true;
    this.#isFlushing = true;
  }

  /**
   * Fills in the next I/O.
   *
   * @returns whether the unit can be started; if not, {@link isHolding} says whether the same unit is to be asked for again, at {@link dueNs}
   */
  fill(unit: IoUnit, loop: TimeSource): boolean {
    if (this.#isPlain && !this.#isChecking) {
      if (this.#ios >= this.#iosMax || this.#bytes >= this.#bytesMax) return false;
      this.#chooser.fill(unit, this.#chooser.direction());
      this.#ios += 1;
      this.#bytes += unit.lengthBytes;
      return true;
    }
    return this.#fillSpecial(unit, loop.nowNs);
  }

  /** Accounts for an I/O that is done, before the next one is asked for. */
  done(unit: IoUnit, result: number, loop: FailureSink): void {
    const verifier = this.#verifier;
    if (verifier === null || result < 0) return;
    const mismatch = verifier.done(unit, result);
    if (mismatch !== null) loop.fail({ error: 84, text: mismatch });
  }

  #fillSpecial(unit: IoUnit, nowNs: number): boolean {
    if (!this.#isHolding && !this.#choose(unit)) return false;
    const isLate = nowNs < Math.max(this.#resumeNs, unit.plannedNs);
    if (isLate || this.#verifier?.mustWait(unit) === true || this.#mustKeepApart(unit)) {
      this.#isHolding = true;
      this.#dueNs = isLate ? Math.max(this.#resumeNs, unit.plannedNs) : nowNs + 2e6;
      return false;
    }
    this.#isHolding = false;
    if (!unit.isCheck && unit.operation <= IO_WRITE) this.#think(nowNs);
    if (this.#refill !== null && unit.operation === IO_WRITE) fillRandom(unit, this.#refill);
    this.#verifier?.prepare(unit);
    return true;
  }

  #mustKeepApart(unit: IoUnit): boolean {
    return this.#apart.length > 0 && unit.operation <= IO_TRIM && this.#apart.some((other) => overlaps(unit, other));
  }

  #choose(unit: IoUnit): boolean {
    unit.plannedNs = 0;
    if (this.#isFlushing) {
      this.#isFlushing = false;
      fillSync(unit, IO_FSYNC);
      return true;
    }
    unit.isCheck = this.#verifier?.nextCheck(unit) === true;
    if (unit.isCheck) return true;
    if (this.#isChecking) return false;
    if (this.#syncEvery > 0 && this.#writesSinceSync >= this.#syncEvery) {
      this.#writesSinceSync = 0;
      fillSync(unit, this.#syncOperation);
      return true;
    }
    if (this.#ios >= this.#iosMax || this.#bytes >= this.#bytesMax) return false;
    const direction = this.#hasBothRates ? this.#earlier() : this.#chooser.direction();
    this.#chooser.fill(unit, direction);
    this.#ios += 1;
    this.#bytes += unit.lengthBytes;
    if (direction === IO_WRITE) this.#writesSinceSync += 1;
    const rate = this.#rates[direction];
    if (rate === null || rate === undefined) return true;
    unit.plannedNs = rate.dueNs;
    rate.take(unit.lengthBytes);
    return true;
  }

  /** Of two directions with rates the one that is due first: the rates make the mix. */
  #earlier(): number {
    return (this.#rates[IO_READ] as RatePlan).dueNs <= (this.#rates[IO_WRITE] as RatePlan).dueNs ? IO_READ : IO_WRITE;
  }

  #think(nowNs: number): void {
    if (this.#thinkNs === 0) return;
    this.#iosSinceThought += 1;
    const isOver =
      this.#thinkAfterNs > 0 ? nowNs - this.#resumeNs >= this.#thinkAfterNs : this.#iosSinceThought >= this.#thinkEvery;
    if (!isOver) return;
    this.#iosSinceThought = 0;
    this.#resumeNs = nowNs + this.#thinkNs;
    this.#spinUntilNs = nowNs + this.#thinkSpinNs;
  }
}

/** A flush has no place and no length. */
function fillSync(unit: IoUnit, operation: number): void {
  unit.operation = operation;
  unit.offset = 0;
  unit.lengthBytes = 0;
  unit.plannedNs = 0;
  unit.isCheck = false;
}

function fillRandom({ buffer, lengthBytes }: IoUnit, random: Random): void {
  const { bytes } = buffer;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, Math.ceil(lengthBytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = random.bits();
}
