/**
 * What a device can address and how. All lengths are in bytes. A driver states what differs from the defaults; a device's `limits` have
 * every member.
 */
export interface BlockLimits {
  /** Offsets and lengths are multiples of it. 1 for files through the page cache. */
  readonly blockSizeBytes: number;
  /**
   * How large the device is; `null` if it has no fixed end: reads are short at the end of the file, writes make it longer. It need not be a
   * multiple of `blockSizeBytes`: a read of the last block is then short, and a write of it is refused.
   */
  readonly sizeBytes: number | null;
  /** The address of the memory is a multiple of it for the driver. The layer copies what is not, so callers may ignore it. */
  readonly memoryAlignmentBytes: number;
  /**
   * Offsets and lengths that the driver sees are multiples of it. If it is larger than `blockSizeBytes`, the layer reads more than it was
   * asked for, and writes part of a unit by reading, changing and writing the whole of it. The
   * size is then a multiple of it too.
   * @default `blockSizeBytes`
   */
  readonly transferUnitBytes?: number;
  /** What a medium writes at once (st_blksize, physical sector), for callers who want to choose well. @default `transferUnitBytes` */
  readonly physicalBlockSizeBytes?: number;
  /** The longest transfer of one request to the driver. @default 2^30 */
  readonly maxTransferBytes?: number;
  /** How many parts of memory a request to the driver may have; 1 means that it never sees a vector. @default 1 */
  readonly maxSegments?: number;
  /** No request to the driver crosses a multiple of it; 0 for none. @default 0 */
  readonly boundaryBytes?: number;
  /** @default 2^53 - 1 */
  readonly maxDiscardBytes?: number;
  /** @default 2^53 - 1 */
  readonly maxZeroesBytes?: number;
  /**
   * How long a write with BLOCK_ATOMIC is at least and at most, powers of two; 0 where there are none.
   * @default 0
   */
  readonly atomicWriteMinBytes?: number;
  readonly atomicWriteMaxBytes?: number;
  /** How many requests the driver has at a time; the others wait in order. @default 65536 */
  readonly maxInFlight?: number;
}

/** What a device can do. A driver states what differs from the defaults; a device's `capabilities` have every member. */
export interface BlockCapabilities {
  readonly readOnly: boolean;
  /**
   * What moves a request on once it is started: nothing more (`'none'`: the driver is done with it when it is given it, so
   * that devices over this one give it by `startSync`), any thread that polls, waits
   * or returns to its event loop (`'any'`), or the event loop alone (`'event-loop'`: `biowait` is refused).
   */
  readonly progress: 'none' | 'any' | 'event-loop';
  /** How a write is made stable at once: not at all, by a flush after it, or by the driver. @default 'emulate' */
  readonly fua?: 'none' | 'emulate' | 'native';
  /** Whether zeros are written by the layer, or by the driver (`'fast'`: without writing them). @default 'emulate' */
  readonly zeroes?: 'emulate' | 'native' | 'fast';
  /** Whether the driver does BLOCK_DISCARD; otherwise ENOTSUP. @default false */
  readonly discard?: boolean;
  /** Whether the driver tells holes from data; otherwise everything is data. @default false */
  readonly extents?: boolean;
  /** Whether the driver does BLOCK_COMPARE_AND_WRITE; otherwise the layer does. @default false */
  readonly compareAndWrite?: boolean;
  /** Whether completed writes can be lost before a flush. @default true */
  readonly volatileCache?: boolean;
  /** Whether the driver does reads and writes with BLOCK_NOWAIT; otherwise ENOTSUP. @default false */
  readonly nowait?: boolean;
  /** Whether distance costs time. @default false */
  readonly rotational?: boolean;
  /** Whether a request that the driver ends with EAGAIN is tried again by the layer. @default true */
  readonly retry?: boolean;
}

/** Every limit, with the defaults filled in and checked against each other. */
export function completeLimits(limits: BlockLimits): Required<BlockLimits> {
  const { blockSizeBytes } = limits;
  const transferUnitBytes = limits.transferUnitBytes ?? blockSizeBytes;
  const largest = limits.maxTransferBytes ?? 2 ** 30;
  const complete = {
    ...limits,
    transferUnitBytes,
    physicalBlockSizeBytes: limits.physicalBlockSizeBytes ?? transferUnitBytes,
    maxTransferBytes: largest - (largest % transferUnitBytes),
    maxSegments: limits.maxSegments ?? 1,
    boundaryBytes: limits.boundaryBytes ?? 0,
    maxDiscardBytes: wholeUnits(limits.maxDiscardBytes, transferUnitBytes),
    maxZeroesBytes: wholeUnits(limits.maxZeroesBytes, transferUnitBytes),
    atomicWriteMinBytes: limits.atomicWriteMinBytes ?? 0,
    atomicWriteMaxBytes: limits.atomicWriteMaxBytes ?? 0,
    maxInFlight: limits.maxInFlight ?? 65536,
  };
  checkLimits(complete);
  return complete;
}

/** Every capability, with the defaults filled in. */
export function completeCapabilities(capabilities: BlockCapabilities): Required<BlockCapabilities> {
  return {
    fua: 'emulate',
    zeroes: 'emulate',
    discard: false,
    extents: false,
    compareAndWrite: false,
    volatileCache: true,
    nowait: false,
    rotational: false,
    retry: true,
    ...capabilities,
  };
}

function checkLimits(limits: Required<BlockLimits>): void {
  const { blockSizeBytes, transferUnitBytes, maxTransferBytes, boundaryBytes, sizeBytes } = limits;
  const wrong = (what: string): RangeError =>
    Object.assign(new RangeError(`limits of a block device: ${what}`), { code: 'ERR_OUT_OF_RANGE' });
  if (sizeBytes !== null && (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)) throw wrong(`sizeBytes is ${sizeBytes}`);
  if (!(blockSizeBytes >= 1)) throw wrong(`blockSizeBytes is ${blockSizeBytes}`);
  if (transferUnitBytes % blockSizeBytes !== 0) {
    throw wrong(`transferUnitBytes ${transferUnitBytes} is no multiple of blockSizeBytes ${blockSizeBytes}`);
  }
  // A part of the last unit is written by writing all of it, which must not reach beyond the end.
  if (sizeBytes !== null && transferUnitBytes > blockSizeBytes && sizeBytes % transferUnitBytes !== 0) {
    throw wrong(`sizeBytes ${sizeBytes} is no multiple of transferUnitBytes ${transferUnitBytes}`);
  }
  if (maxTransferBytes < transferUnitBytes) throw wrong(`maxTransferBytes is less than one unit of ${transferUnitBytes} bytes`);
  if (boundaryBytes % transferUnitBytes !== 0) {
    throw wrong(`boundaryBytes ${boundaryBytes} is no multiple of the unit of ${transferUnitBytes} bytes`);
  }
  if (!(limits.maxDiscardBytes >= 1)) throw wrong(`maxDiscardBytes is less than one unit of ${transferUnitBytes} bytes`);
  if (!(limits.maxZeroesBytes >= 1)) throw wrong(`maxZeroesBytes is less than one unit of ${transferUnitBytes} bytes`);
  const { atomicWriteMinBytes, atomicWriteMaxBytes } = limits;
  const isAtomic =
    isPowerOfTwo(atomicWriteMinBytes) && isPowerOfTwo(atomicWriteMaxBytes) && atomicWriteMinBytes <= atomicWriteMaxBytes;
  if (!isAtomic && (atomicWriteMinBytes !== 0 || atomicWriteMaxBytes !== 0)) {
    throw wrong(
      `atomicWriteMinBytes ${atomicWriteMinBytes} and atomicWriteMaxBytes ${atomicWriteMaxBytes} are no range of powers of two`,
    );
  }
  if (!(limits.maxInFlight >= 1)) throw wrong(`maxInFlight is ${limits.maxInFlight}`);
}

/** For lengths below 2^53. */
export function isPowerOfTwo(value: number): boolean {
  return value >= 1 && Number.isInteger(Math.log2(value));
}

/** A request is cut where the driver can take it, so at a multiple of its unit. */
function wholeUnits(lengthBytes: number = Number.MAX_SAFE_INTEGER, unit: number): number {
  return lengthBytes - (lengthBytes % unit);
}
