import { IoBuffer, WEB_ASSEMBLY_PAGES_MAX, WebAssemblyProgram } from '@biodone/uring';

/** `target = a ^ b`, or `target = a ^ b ^ c`, for so many bytes from these places on. A source may be the target. */
interface ParityKernel {
  combine2(target: number, a: number, b: number, lengthBytes: number): void;
  combine3(target: number, a: number, b: number, c: number, lengthBytes: number): void;
}

const program = new WebAssemblyProgram<ParityKernel, ParityKernel>(assembleParity, ({ combine2, combine3 }) => ({
  combine2,
  combine3,
}));

/**
 * Memory for the stripes that a raid works on, and the exclusive-or of its parts: parity is that of all data of a stripe, and what is missing
 * is that of all the rest.
 *
 * The memory is one that WebAssembly sees, where the processor's vectors (SIMD) can be used: on memory of JavaScript an exclusive-or takes three to
 * six times as long. What comes from elsewhere is copied here, which takes a third of the time of the exclusive-or of it. Without WebAssembly
 * (`--jitless`) it is JavaScript that does it.
 */
export class ParityMemory {
  /** The memory. What is said to be at some place here is so many bytes from its beginning. */
  readonly buffer: IoBuffer;
  readonly #kernel: ParityKernel;
  #zeros = Buffer.alloc(0);

  /** @param lengthBytes how much, at least 1 */
  constructor(lengthBytes: number) {
    this.buffer = IoBuffer.inWebAssembly(lengthBytes);
    // It is as right without, and slower.
    this.#kernel = program.on(this.buffer) ?? scalarKernel(this.buffer.bytes);
  }

  /** Adds a part to another one: `target ^= source`. */
  add(target: number, source: number, lengthBytes: number): void {
    this.#kernel.combine2(target, target, source, lengthBytes);
  }

  /**
   * Makes `target` the exclusive-or of `count` parts that lie `distance` bytes from each other, the first of them at `first`; all but the one
   * that is the target itself.
   */
  combine(target: number, first: number, distance: number, count: number, lengthBytes: number): void {
    const only = combineParts(this.#kernel, target, first, distance, count, lengthBytes);
    if (only >= 0) IoBuffer.copy(this.buffer, target, this.buffer, only, lengthBytes);
  }

  /** Whether a part is nothing but zeros. */
  isZero(place: number, lengthBytes: number): boolean {
    if (this.#zeros.length < lengthBytes) this.#zeros = Buffer.alloc(lengthBytes);
    const { bytes } = this.buffer;
    return this.#zeros.compare(bytes.subarray(place, place + lengthBytes), 0, lengthBytes, 0, lengthBytes) === 0;
  }
}

/**
 * Takes memory for parity in the scratch of somebody's buffer, if WebAssembly sees that.
 *
 * @returns where in the buffer's `scratch` it is, until that is given back; -1 if the parity has to be made elsewhere
 */
export function takeParityScratch(data: IoBuffer, partBytes: number): number {
  if (data.scratch === null || program.on(data) === null) return -1;
  return data.scratch.take(partBytes);
}

/** Makes the parity of `count` parts, at least two, that lie side by side in a buffer, where {@link takeParityScratch} says. */
export function makeParityInScratch(data: IoBuffer, place: number, first: number, partBytes: number, count: number): void {
  const kernel = program.on(data) as ParityKernel;
  const { begin } = data.scratch as NonNullable<IoBuffer['scratch']>;
  combineParts(kernel, begin + place, first, partBytes, count, partBytes);
}

/** See {@link ParityMemory.combine}. If there is but one part, nothing is done, and it is returned where that is; otherwise -1. */
function combineParts(
  kernel: ParityKernel,
  target: number,
  first: number,
  distance: number,
  count: number,
  lengthBytes: number,
): number {
  // Two of those that are still to be taken, -1 for none: each pass over the memory takes as many parts as can be.
  let one = -1;
  let other = -1;
  let isEmpty = true;
  for (let index = 0; index < count; index++) {
    const part = first + index * distance;
    if (part === target) continue;
    if (one < 0) one = part;
    else if (isEmpty && other < 0) other = part;
    else if (isEmpty) {
      kernel.combine3(target, one, other, part, lengthBytes);
      isEmpty = false;
      one = -1;
    } else {
      kernel.combine3(target, target, one, part, lengthBytes);
      one = -1;
    }
  }
  if (isEmpty && other < 0) return one;
  if (isEmpty) kernel.combine2(target, one, other, lengthBytes);
  else if (one >= 0) kernel.combine2(target, target, one, lengthBytes);
  return -1;
}

/** What is done where there is no WebAssembly: a word at a time where all places are those of words. */
function scalarKernel(bytes: Uint8Array): ParityKernel {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
  const combine3 = (target: number, a: number, b: number, c: number, lengthBytes: number): void => {
    let at = 0;
    if (((target | a | b | c) & 3) === 0) {
      for (; at + 4 <= lengthBytes; at += 4) {
        words[(target + at) >> 2] =
          (words[(a + at) >> 2] as number) ^ (words[(b + at) >> 2] as number) ^ (words[(c + at) >> 2] as number);
      }
    }
    for (; at < lengthBytes; at++) {
      bytes[target + at] = (bytes[a + at] as number) ^ (bytes[b + at] as number) ^ (bytes[c + at] as number);
    }
  };
  const combine2 = (target: number, a: number, b: number, lengthBytes: number): void => {
    let at = 0;
    if (((target | a | b) & 3) === 0) {
      for (; at + 4 <= lengthBytes; at += 4) {
        words[(target + at) >> 2] = (words[(a + at) >> 2] as number) ^ (words[(b + at) >> 2] as number);
      }
    }
    for (; at < lengthBytes; at++) bytes[target + at] = (bytes[a + at] as number) ^ (bytes[b + at] as number);
  };
  return { combine2, combine3 };
}

// The kernel as a module of WebAssembly (webassembly.github.io/spec/core/binary), put together from these instructions.
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const I32 = 0x7f;
const I32_CONST = 0x41;
const I32_GE_U = 0x4f;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_XOR = 0x73;
const I32_LOAD8_U = [0x2d, 0, 0];
const I32_STORE8 = [0x3a, 0, 0];
const V128_LOAD = [0xfd, 0x00, 4];
const V128_STORE = [0xfd, 0x0b, 4];
const V128_XOR = [0xfd, 0x51];
const BLOCK = [0x02, 0x40];
const LOOP = [0x03, 0x40];
const BR = 0x0c;
const BR_IF = 0x0d;
const I32_EQZ = 0x45;
const END = 0x0b;
const VECTOR_BYTES = 16;
/** How many vectors are done in one turn of the loop. */
const UNROLLED = 4;

function assembleParity(): Uint8Array {
  const bodies = [2, 3].map((sources) => {
    const code = [0, ...kernelOf(sources), END];
    return [...unsigned(code.length), ...code];
  });
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    // Two functions, of four and of five parameters.
    ...section(1, [2, 0x60, 4, I32, I32, I32, I32, 0, 0x60, 5, I32, I32, I32, I32, I32, 0]),
    // The shared memory io.memory, which has as many pages as whoever makes an instance wants.
    ...section(2, [1, ...text('io'), ...text('memory'), 2, 3, 0, ...unsigned(WEB_ASSEMBLY_PAGES_MAX)]),
    ...section(3, [2, 0, 1]),
    ...section(7, [2, ...text('combine2'), 0, 0, ...text('combine3'), 0, 1]),
    ...section(10, [2, ...bodies.flat()]),
  ]);
}

/** As long as there is enough for all of them, some vectors at a time; then the rest byte by byte. Local 0 is the target. */
function kernelOf(sources: number): number[] {
  const length = sources + 1;
  const operands = Array.from({ length: sources }, (_, index) => index + 1);
  const step = UNROLLED * VECTOR_BYTES;
  const vectors = Array.from({ length: UNROLLED }, (_, index) => {
    const place = unsigned(index * VECTOR_BYTES);
    const loads = operands.flatMap((local, which) => [
      ...[LOCAL_GET, local, ...V128_LOAD, ...place],
      ...(which === 0 ? [] : V128_XOR),
    ]);
    return [LOCAL_GET, 0, ...loads, ...V128_STORE, ...place];
  });
  const bytes = operands.flatMap((local, which) => [LOCAL_GET, local, ...I32_LOAD8_U, ...(which === 0 ? [] : [I32_XOR])]);
  const advance = (by: number): number[] => [
    ...[0, ...operands].flatMap((local) => [LOCAL_GET, local, I32_CONST, ...signed(by), I32_ADD, LOCAL_SET, local]),
    ...[LOCAL_GET, length, I32_CONST, ...signed(by), I32_SUB, LOCAL_SET, length],
  ];
  const isTooShort = [LOCAL_GET, length, I32_CONST, ...signed(step), I32_GE_U, I32_EQZ];
  return [
    ...[...BLOCK, ...LOOP, ...isTooShort, BR_IF, 1, ...vectors.flat(), ...advance(step), BR, 0, END, END],
    ...[...BLOCK, ...LOOP, LOCAL_GET, length, I32_EQZ, BR_IF, 1],
    ...[LOCAL_GET, 0, ...bytes, ...I32_STORE8, ...advance(1), BR, 0, END, END],
  ];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(name: string): number[] {
  return [name.length, ...Buffer.from(name)];
}

/** LEB128 */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) return [low];
  return [low | 128, ...signed(rest)];
}
