import { WEB_ASSEMBLY_PAGES_MAX } from '@biodone/uring';

/** What a digest is taken of is a multiple of this. */
export const DIGEST_STEP_BYTES = 256;

/** How many vectors are done in one turn of the loop: of more, V8 loads all at first, and has no registers for them. */
const UNROLLED = 4;

/** What the module offers. Data is a part of its memory, by where it begins, and has a length that is a multiple of {@link DIGEST_STEP_BYTES}. */
export interface DigestExports {
  /** Returns the lower half of the digest, and leaves the upper one at `target`, in as many bytes as a word has. */
  digest(begin: number, lengthBytes: number, target: number): number;
  /** Whether the digest has these halves: 1 if so, otherwise 0. It writes nothing. */
  matches(begin: number, lengthBytes: number, low: number, high: number): number;
}

// The functions of the module, by number. The first is for the others alone: it returns both halves as one number of 64 bits.
const MIXED_SUMS = 0;
const DIGEST = 1;
const MATCHES = 2;

// Locals of the first function: its parameters, where it reads, which begins as the first of them, and the length; where that ends, the mixed sums, a
// vector of data, and the sums.
const POSITION = 0;
const LENGTH = 1;
const END = 2;
const MIXED = 3;
const DATA = 4;
const SUM = 5;
const SUM_OF_SUMS = 6;
const UPPER_SUM = 7;
const UPPER_SUM_OF_SUMS = 8;

const I32 = 0x7f;
const I64 = 0x7e;
const V128 = 0x7b;
const NOTHING = 0x40;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const call = (func: number): number[] => [0x10, func];
const i32 = (value: number): number[] => [0x41, ...signed(BigInt(value))];
const i64 = (value: bigint): number[] => [0x42, ...signed(BigInt.asIntN(64, value))];
const i32Add = 0x6a;
const i32LessUnsigned = 0x49;
const i64Multiply = 0x7e;
const i64Xor = 0x85;
const i64ShiftRight = 0x88;
const i32Store = [0x36, 2, 0];
const i64FromI32 = 0xad;
const i64ShiftLeft = 0x86;
const i64Or = 0x84;
const i64Equal = 0x51;
const i32FromI64 = 0xa7;
const loop = [0x03, NOTHING];
const backIf = [0x0d, 0];
const end = 0x0b;
const vector = (operation: number, ...rest: number[]): number[] => [0xfd, ...unsigned(operation), ...rest];
const load = (offset: number): number[] => vector(0x00, 0, ...unsigned(offset));
const addI64s = vector(0xce);
const shiftI64sRight = vector(0xcd);
const laneOfI64s = (lane: number): number[] => vector(0x1d, lane);

/** The multiplier of XXH64's first step: odd, with its bits well mixed. */
const MULTIPLIER = 0x9e3779b185ebca87n;

/**
 * The module that takes digests, with {@link DigestExports}. It is put together here, so that nobody needs a compiler, and nobody has to believe what
 * a file of bytes does.
 *
 * Each vector holds four words of 32 bits as two numbers of 64. These are summed as they are, modulo 2^64, and their upper words once more alone; the
 * sum of the lower words is the difference, so nothing is lost, and it takes fewer steps than taking the words apart first.
 */
export function assembleDigest(): Uint8Array {
  const types = [
    [0x60, 2, I32, I32, 1, I64],
    [0x60, 3, I32, I32, I32, 1, I32],
    [0x60, 4, I32, I32, I32, I32, 1, I32],
  ];
  const shared = 3;
  const imported = [...text('io'), ...text('memory'), 2, shared, 0, ...unsigned(WEB_ASSEMBLY_PAGES_MAX)];
  const bodies = [
    [4, 1, I32, 1, I64, 1, V128, 4, V128, ...mixedSums()],
    [1, 1, I64, ...digest()],
    [0, ...matches()],
  ];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [types.length, ...types.flat()]),
    ...section(2, [1, ...imported]),
    ...section(3, [bodies.length, 0, 1, 2]),
    ...section(7, [2, ...text('digest'), 0, DIGEST, ...text('matches'), 0, MATCHES]),
    ...section(10, [bodies.length, ...bodies.flatMap((code) => [...unsigned(code.length), ...code])]),
  ]);
}

function mixedSums(): number[] {
  return [
    ...get(POSITION),
    ...get(LENGTH),
    i32Add,
    ...set(END),
    ...loop,
    ...Array.from({ length: UNROLLED }, (_, index) => addVector(16 * index)).flat(),
    ...get(POSITION),
    ...i32(UNROLLED * 16),
    i32Add,
    ...tee(POSITION),
    ...get(END),
    i32LessUnsigned,
    ...backIf,
    end,
    ...get(LENGTH),
    i64FromI32,
    ...set(MIXED),
    ...[SUM, SUM_OF_SUMS, UPPER_SUM, UPPER_SUM_OF_SUMS].flatMap((sums) => [...mixIn(sums, 0), ...mixIn(sums, 1)]),
    ...get(MIXED),
    end,
  ];
}

/** Parameters: where the data begins, its length, and where the upper half goes. Its local: the number of both halves. */
function digest(): number[] {
  const both = 3;
  return [
    ...[...get(0), ...get(1), ...call(MIXED_SUMS), ...set(both)],
    ...[...get(2), ...get(both), ...i64(32n), i64ShiftRight, i32FromI64, ...i32Store],
    ...[...get(both), i32FromI64, end],
  ];
}

/** Parameters: where the data begins, its length, and the two halves. */
function matches(): number[] {
  return [
    ...[...get(0), ...get(1), ...call(MIXED_SUMS)],
    ...[...get(3), i64FromI32, ...i64(32n), i64ShiftLeft, ...get(2), i64FromI32, i64Or],
    ...[i64Equal, end],
  ];
}

function addVector(offset: number): number[] {
  return [
    ...get(POSITION),
    ...load(offset),
    ...tee(DATA),
    ...addTo(SUM, SUM_OF_SUMS),
    ...get(DATA),
    ...i32(32),
    ...shiftI64sRight,
    ...addTo(UPPER_SUM, UPPER_SUM_OF_SUMS),
  ];
}

function addTo(sum: number, sumOfSums: number): number[] {
  return [...get(sum), ...addI64s, ...tee(sum), ...get(sumOfSums), ...addI64s, ...set(sumOfSums)];
}

/** mixed = (mixed ^ sum) * multiplier; mixed ^= mixed >>> 32. */
function mixIn(sums: number, lane: number): number[] {
  const multiplied = [...get(MIXED), ...get(sums), ...laneOfI64s(lane), i64Xor, ...i64(MULTIPLIER), i64Multiply, ...tee(MIXED)];
  return [...multiplied, ...get(MIXED), ...i64(32n), i64ShiftRight, i64Xor, ...set(MIXED)];
}

function section(id: number, body: readonly number[]): number[] {
  return [id, ...unsigned(body.length), ...body];
}

function text(name: string): number[] {
  return [name.length, ...Buffer.from(name, 'latin1')];
}

/** LEB128, as the format has all its numbers. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: bigint): number[] {
  const low = Number(value & 127n);
  const rest = value >> 7n;
  const isLast = (rest === 0n && low < 64) || (rest === -1n && low >= 64);
  return isLast ? [low] : [low | 128, ...signed(rest)];
}
