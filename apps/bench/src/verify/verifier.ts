import { IO_READ, IO_TRIM, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import type { JobPlan } from '../run/job-plan.js';
import { overlaps } from '../run/overlap.js';
import { BlockFormat } from './block-format.js';
import { crc32c, digestOf } from './digest.js';
import { dumpDifference } from './dump.js';
import type { VerifyState } from './verify-state.js';

/** What a verifier is made of. */
export interface VerifierParts {
  readonly plan: JobPlan;
  readonly units: readonly IoUnit[];
  readonly format: BlockFormat;
  /** How long a block with a header is: I/Os are whole numbers of them. */
  readonly blockBytes: number;
  /** What an earlier run has written, or null. */
  readonly state: VerifyState | null;
}

/** Everything that a verifier needs which takes time to get. */
export async function makeVerifier(
  plan: JobPlan,
  units: readonly IoUnit[],
  blockBytes: number,
  state: VerifyState | null,
): Promise<Verifier> {
  const { verify, verify_pattern: pattern } = plan.job.options;
  const format = new BlockFormat(plan.dataSeed, pattern, verify === 'pattern', await digestOf(verify), await crc32c());
  return new Verifier({ plan, units, format, blockBytes, state });
}

/**
 * Makes the data of writes, and checks what is read. Each block's header says where it belongs, and its generation which write of the block it
 * was: a write that went elsewhere, or was lost, is found as a flipped bit is.
 */
export class Verifier {
  readonly #units: readonly IoUnit[];
  readonly #format: BlockFormat;
  readonly #blockBytes: number;
  readonly #start: number;
  readonly #seed: number;
  readonly #isSeedChecked: boolean;
  readonly #isSequenceChecked: boolean;
  readonly #isDumped: boolean;
  readonly #isFsynced: boolean;
  readonly #backlog: number;
  readonly #backlogBatch: number;
  readonly #checkBytesMax: number;
  /** The generation of each block that was written last, and the last one that a flush covers. */
  readonly #written: Uint32Array;
  readonly #stable: Uint32Array;
  /** A state of fsynced writes: what is found may be newer. */
  readonly #isNewerGood: boolean;
  readonly #isStateKnown: boolean;
  readonly #expected: Uint8Array;
  /** Writes that no flush has covered, and writes that are to be checked: offset and length by turns. */
  #dirty: number[] = [];
  #toCheck: number[] = [];
  #checksLeft = 0;
  /** The block that the last phase comes to next, or -1 before it. */
  #scan = -1;
  #blocksChecked = 0;

  constructor({ plan, units, format, blockBytes, state }: VerifierParts) {
    const { options } = plan.job;
    const count = Math.ceil(plan.lengthBytes / blockBytes);
    this.#units = units;
    this.#format = format;
    this.#blockBytes = blockBytes;
    this.#start = plan.startOffset;
    this.#seed = plan.dataSeed;
    this.#isSeedChecked = options.verify_header_seed;
    this.#isSequenceChecked = options.verify_write_sequence;
    this.#isDumped = options.verify_dump;
    this.#isFsynced = options.verify_policy === 'fsynced';
    this.#backlog = options.verify_backlog;
    this.#backlogBatch = options.verify_backlog_batch > 0 ? options.verify_backlog_batch : options.verify_backlog;
    this.#checkBytesMax = Math.max(
      blockBytes,
      Math.floor((units[0]?.buffer.lengthBytes ?? blockBytes) / blockBytes) * blockBytes,
    );
    this.#written = new Uint32Array(count);
    if (state !== null) this.#written.set(state.generations.subarray(0, count));
    this.#stable = this.#isFsynced ? this.#written.slice() : this.#written;
    this.#isNewerGood = state !== null && this.#isFsynced;
    this.#isStateKnown = state !== null;
    this.#expected = new Uint8Array(blockBytes);
  }

  /** How many blocks have been found good. */
  get blocksChecked(): number {
    return this.#blocksChecked;
  }

  /** What has been written so far, to be checked by another run. */
  state(): VerifyState {
    return { seed: this.#seed, blockBytes: this.#blockBytes, startOffset: this.#start, generations: this.#stable };
  }

  /** Whether the unit touches blocks that are being written, or writes some that are being read. */
  mustWait(unit: IoUnit): boolean {
    if (unit.operation > IO_TRIM) return false;
    for (const other of this.#units) {
      if ((other.operation === IO_WRITE || unit.operation === IO_WRITE) && overlaps(unit, other)) return true;
    }
    return false;
  }

  /** Makes the data of a write, or notes what a flush is going to cover. */
  prepare(unit: IoUnit): void {
    if (unit.operation > IO_TRIM) unit.token = this.#dirty.length;
    if (unit.operation !== IO_WRITE) return;
    this.#eachBlock(unit, (block, bytes, offset) => {
      const generation = (this.#written[block] as number) + 1;
      this.#written[block] = generation;
      this.#format.make(bytes, offset, generation);
      return null;
    });
  }

  /** Counts a write as done that was not done: `verify_only`. */
  assume(unit: IoUnit): void {
    if (unit.operation !== IO_WRITE) return;
    const first = (unit.offset - this.#start) / this.#blockBytes;
    for (let block = first; block < first + unit.lengthBytes / this.#blockBytes; block++) {
      this.#written[block] = (this.#written[block] as number) + 1;
      this.#stable[block] = this.#written[block] as number;
    }
  }

  /** Accounts for an I/O that is done, and returns what is wrong with what was read, or null. */
  done(unit: IoUnit, result: number): string | null {
    if (unit.operation === IO_READ) return result === unit.lengthBytes ? this.#check(unit) : null;
    if (unit.operation === IO_WRITE) this.#remember(unit);
    else if (unit.operation > IO_TRIM) this.#cover(unit.token);
    return null;
  }

  /** Fills in the next read of what was written, or returns false. */
  nextCheck(unit: IoUnit): boolean {
    if (this.#scan >= 0) return this.#nextOfAll(unit);
    if (this.#checksLeft === 0) {
      if (this.#backlog === 0 || this.#toCheck.length < 2 * this.#backlog) return false;
      this.#checksLeft = Math.min(this.#backlogBatch, this.#toCheck.length / 2);
    }
    this.#checksLeft -= 1;
    const [offset, lengthBytes] = this.#toCheck.splice(0, 2);
    fillRead(unit, offset as number, lengthBytes as number);
    return true;
  }

  /** Begins the last phase: everything that was written is read, in the order of offsets. */
  checkAll(): void {
    this.#scan = 0;
  }

  #nextOfAll(unit: IoUnit): boolean {
    const expected = this.#stable;
    let first = this.#scan;
    while (first < expected.length && expected[first] === 0) first += 1;
    let end = first;
    while (end < expected.length && expected[end] !== 0 && (end + 1 - first) * this.#blockBytes <= this.#checkBytesMax) end += 1;
    this.#scan = end;
    if (first === end) return false;
    fillRead(unit, this.#start + first * this.#blockBytes, (end - first) * this.#blockBytes);
    return true;
  }

  #remember({ offset, lengthBytes }: IoUnit): void {
    if (this.#isFsynced) this.#dirty.push(offset, lengthBytes);
    else if (this.#backlog > 0) this.#toCheck.push(offset, lengthBytes);
  }

  /** A flush has succeeded: the first of the dirty writes are stable. */
  #cover(count: number): void {
    const covered = this.#dirty.splice(0, count);
    for (let index = 0; index < covered.length; index += 2) {
      const first = ((covered[index] as number) - this.#start) / this.#blockBytes;
      const blocks = (covered[index + 1] as number) / this.#blockBytes;
      for (let block = first; block < first + blocks; block++) this.#stable[block] = this.#written[block] as number;
    }
    if (this.#backlog > 0) this.#toCheck.push(...covered);
  }

  #check(unit: IoUnit): string | null {
    return this.#eachBlock(unit, (block, bytes, offset) => {
      const expected = this.#stable[block] as number;
      const isUnknown = expected === 0;
      // What nobody is known to have written is only looked at if that is all that this job does.
      if (isUnknown && (this.#isStateKnown || !this.#isForeignRead)) return null;
      const wrong = this.#format.isBare ? this.#compareBare(bytes, offset) : this.#compare(block, bytes, offset);
      if (wrong === null) this.#blocksChecked += 1;
      return wrong === null ? null : this.#describe(wrong, bytes, offset, block);
    });
  }

  /** Whether the job only reads, what another run has written. */
  #isForeignRead = false;

  /** Reads are of what another run has written, which its headers alone tell of. */
  expectForeignData(): void {
    this.#isForeignRead = true;
  }

  #compare(block: number, bytes: Uint8Array, offset: number): string | null {
    const header = this.#format.read(bytes);
    if (typeof header === 'string') return header;
    if (header.lengthBytes !== bytes.length)
      return `the header is of a block of ${header.lengthBytes} bytes, not ${bytes.length}`;
    if (header.offset !== offset) return `the header is of the block at ${header.offset}: a write went to the wrong place`;
    if (this.#isSeedChecked && header.seed !== this.#seed)
      return `the header has seed ${header.seed}, not ${this.#seed}: another job wrote it`;
    const sequence = this.#compareGeneration(block, header.generation);
    if (sequence !== null) return sequence;
    return this.#format.isWhole(bytes) ? null : 'the checksum is wrong';
  }

  #compareGeneration(block: number, found: number): string | null {
    const expected = this.#stable[block] as number;
    const latest = this.#written[block] as number;
    if (!this.#isSequenceChecked || expected === 0) return null;
    if (found === latest || (found > expected && (this.#isNewerGood || found <= latest))) return null;
    if (found === expected && this.#isFsynced && this.#isNewerGood) return null;
    return `the block has generation ${found}, not ${latest}: ${found < latest ? 'a write was lost' : 'it was written by somebody else'}`;
  }

  #compareBare(bytes: Uint8Array, offset: number): string | null {
    this.#format.make(this.#expected, offset, 0);
    return bytes.every((byte, index) => byte === this.#expected[index]) ? null : 'the pattern is wrong';
  }

  #describe(wrong: string, bytes: Uint8Array, offset: number, block: number): string {
    const line = `verify: bad block of ${bytes.length} bytes at offset ${offset}: ${wrong}`;
    if (!this.#isDumped) return line;
    const header = this.#format.isBare ? '' : this.#format.read(bytes);
    const generation = (this.#written[block] as number) || (typeof header === 'string' ? 1 : header.generation);
    this.#format.make(this.#expected, offset, generation);
    return `${line}\n${dumpDifference(this.#expected, bytes, offset)}`;
  }

  #eachBlock(unit: IoUnit, visit: (block: number, bytes: Uint8Array, offset: number) => string | null): string | null {
    const { bytes } = unit.buffer;
    for (let at = 0; at + this.#blockBytes <= unit.lengthBytes; at += this.#blockBytes) {
      const offset = unit.offset + at;
      const found = visit((offset - this.#start) / this.#blockBytes, bytes.subarray(at, at + this.#blockBytes), offset);
      if (found !== null) return found;
    }
    return null;
  }
}

function fillRead(unit: IoUnit, offset: number, lengthBytes: number): void {
  unit.operation = IO_READ;
  unit.offset = offset;
  unit.lengthBytes = lengthBytes;
}
