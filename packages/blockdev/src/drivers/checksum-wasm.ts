/**
 * Where the data to be digested begins in the memory of the module, a place whose address IoBuffer keeps. Before it, at 0, is the upper half of the result.
 */
export const DIGEST_DATA_AT = 4096;

/** What a digest is taken of is a multiple of this. */
export const DIGEST_STEP_BYTES = 256;

// Locals of the function, by number: its parameter, where it reads and where that ends, the mixed sums, a vector of data, and the sums.
const LENGTH = 0;
const POSITION = 1;
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
const i32 = (value: number): number[] => [0x41, ...signed(BigInt(value))];
const i64 = (value: bigint): number[] => [0x42, ...signed(BigInt.asIntN(64, value))];
const i32Add = 0x6a;
const i32LessUnsigned = 0x49;
const i64Multiply = 0x7e;
const i64Xor = 0x85;
const i64ShiftRight = 0x88;
const i64Store = (offset: number): number[] => [0x37, 3, ...unsigned(offset)];
const i64FromI32 = 0xad;
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
 * The module that takes digests: `digest(lengthBytes)` reads its memory from {@link DIGEST_DATA_AT} on, returns the lower half and leaves the upper one
 * at 0. It is put together here, so that nobody needs a compiler, and nobody has to believe what a file of bytes does.
 *
 * Each vector holds four words of 32 bits as two numbers of 64. These are summed as they are, modulo 2^64, and their upper words once more alone; the
 * sum of the lower words is the difference, so nothing is lost, and it takes fewer steps than taking the words apart first.
 */
export function assembleDigest(): Uint8Array {
  const type = [0x60, 1, I32, 1, I32];
  const imported = [...text('js'), ...text('memory'), 2, 0, 1];
  const code = [4, 2, I32, 1, I64, 1, V128, 4, V128, ...digest()];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, ...type]),
    ...section(2, [1, ...imported]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('digest'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

function digest(): number[] {
  return [
    ...i32(DIGEST_DATA_AT),
    ...tee(POSITION),
    ...get(LENGTH),
    i32Add,
    ...set(END),
    ...loop,
    ...Array.from({ length: DIGEST_STEP_BYTES / 16 }, (_, index) => addVector(16 * index)).flat(),
    ...get(POSITION),
    ...i32(DIGEST_STEP_BYTES),
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
    ...i32(0),
    ...get(MIXED),
    ...i64(32n),
    i64ShiftRight,
    ...i64Store(0),
    ...get(MIXED),
    i32FromI64,
    end,
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
