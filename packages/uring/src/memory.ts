import { inspect } from 'node:util';
import { markAsUntransferable, threadId } from 'node:worker_threads';
import { SCRATCH_BYTES, Scratch } from './scratch.js';
import { libc } from './syscalls.js';
import { openWebAssemblyMemory, type WebAssemblyMemory } from './web-assembly.js';

/**
 * Memory for I/O: aligned, and safe from being moved or freed while the kernel works on it.
 *
 * It lies on a SharedArrayBuffer, which JavaScript cannot detach, transfer or shrink, and which other threads can share. The memory lives
 * as long as somebody holds the IoBuffer, as every request does until its completion; whoever passes the bare address to the kernel has to.
 *
 * @example
 * ```js
 * import { IoBuffer } from '@biodone/uring';
 *
 * const buffer = IoBuffer.allocate(4096);
 * buffer.bytes.set([1, 2, 3]);
 * console.log(buffer.address % 4096); // 0: fit for O_DIRECT
 *
 * // What a worker gets by postMessage() or workerData, and makes of it:
 * const same = IoBuffer.attach(structuredClone(buffer.handle()));
 * console.log(same.bytes[2], same.id === buffer.id); // 3 true
 * ```
 */
export class IoBuffer {
  /** The memory, for JavaScript. */
  readonly bytes: Uint8Array;
  /** The address of the first byte, for the kernel; 0 where this platform has no foreign function interface. */
  readonly address: number;
  /** The length, in bytes. */
  readonly lengthBytes: number;
  /** Whether nobody can take the memory away from here, as it is with a SharedArrayBuffer: then `bytes` has this length for ever. */
  readonly isShared: boolean;
  /** Names this memory in every thread of the process. */
  readonly id: number;
  /** The WebAssembly.Memory at whose beginning it lies, for modules that work on it where it is; null if it lies elsewhere. See {@link inWebAssembly}. */
  readonly webAssembly: WebAssemblyMemory | null;
  /** What each WebAssemblyProgram has kept here. @internal */
  readonly programs: unknown[];
  /** Where such programs leave what they make: null if there is no such place, as in threads that have not allocated the memory. @internal */
  readonly scratch: Scratch<IoBuffer> | null;
  /**
   * Addresses that were used. They are numbers too large to be anything but objects, and one would be made for every call; of type unknown,
   * so that the compiler keeps the object instead of its value.
   */
  #addresses: unknown[] | null = null;

  private constructor(
    bytes: Uint8Array,
    id: number,
    isShared = false,
    address: number = addressOf(bytes),
    webAssembly: WebAssemblyMemory | null = null,
    scratch: Scratch<IoBuffer> | null = null,
  ) {
    this.bytes = bytes;
    this.lengthBytes = bytes.byteLength;
    this.address = address;
    this.isShared = isShared || bytes.buffer instanceof SharedArrayBuffer;
    this.id = id;
    this.webAssembly = webAssembly;
    this.programs = webAssembly === null ? NO_PROGRAMS : [];
    this.scratch = scratch;
  }

  /**
   * Allocates zeroed memory.
   *
   * @param lengthBytes how much, at least 1
   * @param alignmentBytes a power of two; 4096, the default, is enough for O_DIRECT on any device
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  static allocate(lengthBytes: number, alignmentBytes = 4096): IoBuffer {
    checkLength(lengthBytes);
    const isPowerOfTwo = Number.isInteger(Math.log2(alignmentBytes)) && alignmentBytes >= 1;
    if (!isPowerOfTwo) throw outOfRange('alignmentBytes', 'a power of two', alignmentBytes);
    // V8 aligns array buffers to 16 bytes at most, so some of the memory is given up to start at an aligned address.
    const memory = new SharedArrayBuffer(lengthBytes + alignmentBytes);
    const address = addressOf(new Uint8Array(memory));
    const skipped = (alignmentBytes - (address % alignmentBytes)) % alignmentBytes;
    return new IoBuffer(new Uint8Array(memory, skipped, lengthBytes), nextId());
  }

  /**
   * Allocates zeroed memory that WebAssembly sees: in all else it is as that of {@link allocate}, on a SharedArrayBuffer and aligned to 4096 bytes at
   * least.
   *
   * What works on data in WebAssembly, as the checksums and the parity of `@biodone/blockdev` do, and your own modules can (`webAssembly`), works on this
   * memory where it is; all other memory it copies first. So it must not be changed while a request writes it, by any thread: where a driver says
   * that it works on it in place, what it has made of the data may not go with the data that it has written then.
   *
   * Each takes gigabytes of the address space, whatever its length (8 to 10 GiB on Node 20 to 24, of 128 TiB), and takes longer to make: allocate one for
   * all requests of a thread, and give each its `bufferOffset`. It has 256 KiB behind the bytes for what is made of them, which take memory when they
   * are used. Where there is no WebAssembly (`--jitless`), the system refuses the address space (`ulimit -v`), or it is longer than 2^31 - 2^18 bytes, it is
   * memory as any other: `webAssembly` is null then, everything works on it, and copies.
   *
   * @param lengthBytes how much, at least 1
   * @throws RangeError ERR_OUT_OF_RANGE
   *
   * @example
   * ```js
   * import { IoBuffer } from '@biodone/uring';
   *
   * const buffer = IoBuffer.inWebAssembly(32 * 4096);
   * const { webAssembly } = buffer; // For the imports of an instance; or null.
   * console.log(buffer.address % 4096, webAssembly === null || webAssembly.buffer === buffer.bytes.buffer); // 0 true
   * ```
   */
  static inWebAssembly(lengthBytes: number): IoBuffer {
    checkLength(lengthBytes);
    const begin = Math.ceil(lengthBytes / ADDRESS_STEP_BYTES) * ADDRESS_STEP_BYTES;
    const memory = lengthBytes > IN_WEB_ASSEMBLY_MAX ? null : openWebAssemblyMemory(begin + SCRATCH_BYTES);
    if (memory === null) return IoBuffer.allocate(lengthBytes);
    const scratch = new IoBuffer(new Uint8Array(memory.buffer, begin, SCRATCH_BYTES), nextId());
    const bytes = new Uint8Array(memory.buffer, 0, lengthBytes);
    return new IoBuffer(bytes, nextId(), true, addressOf(bytes), memory, new Scratch(scratch, begin));
  }

  /**
   * Uses a view as it is, wherever it begins. On a SharedArrayBuffer that is always safe.
   *
   * An ArrayBuffer's owner could transfer it while the kernel writes into it, and its new owner could let it go: the memory would be
   * somebody else's then. Whoever promises to do no such thing until all requests on it have completed says so with `trusted`. The
   * buffer is then marked as untransferable, so that `postMessage` and `structuredClone` refuse to transfer it, or copy it (Node 20).
   * Not every Node refuses `transfer()` then (24 does, 22 does not), and nothing stops a WebAssembly.Memory from growing, at which Node 24
   * aborts the process. A resizable ArrayBuffer is refused in any case.
   *
   * Whoever has made an ArrayBuffer and shown it to nobody yet says so with `unseen` instead: it is used as it is and not marked, so that it can be
   * transferred as any other once the requests have completed and it is given away.
   *
   * @param options.trusted accepts a view on an ArrayBuffer, such as a Buffer
   * @param options.unseen accepts it too, and does not mark it
   * @throws TypeError ERR_INVALID_ARG_TYPE for a view on an ArrayBuffer that is not trusted, or resizable; RangeError ERR_OUT_OF_RANGE for
   * one without bytes, such as one that has been detached
   */
  static over(view: Uint8Array, options: { trusted?: boolean; unseen?: boolean } = {}): IoBuffer {
    const { buffer } = view;
    if (!(view.byteLength > 0)) throw outOfRange('view.byteLength', '>= 1 (is it detached?)', view.byteLength);
    if (buffer instanceof SharedArrayBuffer) return new IoBuffer(view, nextId());
    const { trusted = false, unseen = false } = options;
    if (!trusted && !unseen) {
      throw wrongType(
        'memory for I/O must lie on a SharedArrayBuffer: allocate it with IoBuffer.allocate(), copy, or pass { trusted: true }',
      );
    }
    if ('resizable' in buffer && buffer.resizable === true) throw wrongType('memory for I/O must not be resizable: copy');
    if (!unseen) markAsUntransferable(buffer);
    return new IoBuffer(view, nextId());
  }

  /**
   * Copies `lengthBytes` from `source` to `target`, which may overlap. Makes no view, where the platform lets it.
   *
   * @throws RangeError ERR_OUT_OF_RANGE for a range that is not within its buffer
   */
  static copy(target: IoBuffer, targetOffset: number, source: IoBuffer, sourceOffset: number, lengthBytes: number): void {
    checkPart(target, targetOffset, lengthBytes);
    checkPart(source, sourceOffset, lengthBytes);
    if (target.address !== 0) {
      libc().memmove(target.#addressAt(targetOffset), source.#addressAt(sourceOffset), lengthBytes);
    } else {
      target.bytes.set(source.bytes.subarray(sourceOffset, sourceOffset + lengthBytes), targetOffset);
    }
  }

  /** The address of a byte, for a native function: where blocks begin, always the same object for the same address. */
  #addressAt(offset: number): unknown {
    if (offset % ADDRESS_STEP_BYTES !== 0) return this.address + offset;
    this.#addresses ??= new Array<unknown>(Math.ceil((this.lengthBytes + 1) / ADDRESS_STEP_BYTES)).fill(null);
    const index = offset / ADDRESS_STEP_BYTES;
    this.#addresses[index] ??= this.address + offset;
    return this.#addresses[index];
  }

  /**
   * What another thread needs to use the same memory: pass it through `postMessage` or `workerData` to {@link attach}.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for trusted memory on an ArrayBuffer, which one thread alone can use
   */
  handle(): IoBufferHandle {
    const memory = this.bytes.buffer;
    if (!(memory instanceof SharedArrayBuffer)) throw wrongType('only memory on a SharedArrayBuffer can be shared');
    const { id, lengthBytes, webAssembly } = this;
    return { id, memory, byteOffset: this.bytes.byteOffset, lengthBytes, ...(webAssembly === null ? {} : { webAssembly }) };
  }

  /**
   * The same memory in another thread, under the same id.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle
   */
  static attach(handle: IoBufferHandle): IoBuffer {
    if (!(handle?.memory instanceof SharedArrayBuffer))
      throw wrongType('attach() takes what handle() has returned in another thread');
    const { memory, byteOffset, lengthBytes, id, webAssembly = null } = handle;
    const bytes = new Uint8Array(webAssembly?.buffer ?? memory, byteOffset, lengthBytes);
    return new IoBuffer(bytes, id, true, addressOf(bytes), webAssembly);
  }

  /**
   * The same memory in another thread of the process, by its address alone, under the same id. It keeps nothing alive: whoever has the buffer that the
   * address is of holds it until nobody touches this one any more. So it is not for handing on.
   *
   * @throws SystemError ENOSYS where this platform has no foreign function interface, and `address` is 0
   * @internal
   */
  static borrow(id: number, address: number, lengthBytes: number): IoBuffer {
    return new IoBuffer(new Uint8Array(libc().view(address, lengthBytes)), id, true, address);
  }
}

/** The block size that most copies have. */
const ADDRESS_STEP_BYTES = 4096;

/** An {@link IoBuffer} on its way to another thread. */
export interface IoBufferHandle {
  readonly id: number;
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly lengthBytes: number;
  /** Of memory that WebAssembly sees. */
  readonly webAssembly?: WebAssemblyMemory;
}

/** All places in it, and in the scratch behind it, are integers of 31 bits. */
const IN_WEB_ASSEMBLY_MAX = 2 ** 31 - SCRATCH_BYTES;

/** Of all memory that no program sees. */
const NO_PROGRAMS: unknown[] = [];

let lastId = 0;

/** Threads count for themselves, and Node never gives a thread's number to another one. */
function nextId(): number {
  lastId += 1;
  return threadId * 2 ** 32 + lastId;
}

/** The kernel takes a length of 32 bits, of which it moves `TRANSFER_MAX_BYTES` at once. */
const LENGTH_MAX = 0x7fff_ffff;

/**
 * Whether a part lies within a buffer: the kernel would write wherever the address says.
 *
 * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE for what is no buffer
 * @internal
 */
export function checkPart(memory: IoBuffer, memoryOffset: number, lengthBytes: number): void {
  const inside =
    Number.isInteger(memoryOffset) &&
    Number.isInteger(lengthBytes) &&
    memoryOffset >= 0 &&
    lengthBytes >= 0 &&
    lengthBytes <= LENGTH_MAX &&
    memoryOffset + lengthBytes <= memory?.lengthBytes &&
    // What is trusted can have been transferred away, and has no bytes then.
    memoryOffset + lengthBytes <= memory.bytes?.length;
  if (inside) return;
  if (!(memory instanceof IoBuffer)) throw notMemory(memory);
  const message = `${lengthBytes} bytes at ${memoryOffset} are not a part of a buffer of ${Math.min(memory.lengthBytes, memory.bytes.length)} bytes (and less than 2 GiB)`;
  throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

function notMemory(value: unknown): TypeError {
  const message = `memory for I/O must be an IoBuffer: use IoBuffer.allocate() or IoBuffer.over(). Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

function addressOf(view: Uint8Array): number {
  try {
    return libc().address(view);
  } catch {
    return 0;
  }
}

function checkLength(lengthBytes: number): void {
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1)
    throw outOfRange('lengthBytes', 'an integer of at least 1', lengthBytes);
}

function wrongType(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}
