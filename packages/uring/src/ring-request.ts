import type { TailQueueEntry } from '@biodone/sync';
import type { IoBuffer } from './memory.js';
import type { FixedFile, RingFile } from './ring-file.js';

/** What a request knows of its {@link RequestChain}. */
export interface ChainOfRequests {
  readonly requests: readonly RingRequest[];
  /** Takes the members out again. */
  dissolve(): void;
}

/**
 * One request to the kernel: what a submission queue entry holds, and who hears of its completion.
 *
 * Subclass it, prepare it with one of the `prepare` functions and start it on a {@link ThreadRing}. It can be prepared and started again
 * as soon as its last {@link complete} has been called; until then it, the file and the memory that it names belong to the kernel, and
 * are held.
 *
 * Every prepare function sets all of the fields; who wants flags or a priority sets them after it. A subclass must not use the fields'
 * names for something of its own.
 */
export abstract class RingRequest implements TailQueueEntry {
  /** One of IORING_OP_; -1 before the first preparation. */
  opcode = -1;
  /** IOSQE_ flags. */
  flags = 0;
  /** The priority of the I/O (ioprio_set(2)): a class, such as `IOPRIO_CLASS_BE`, and a level; 0 is the thread's own. */
  ioPriority = 0;
  /** The descriptor, or with IOSQE_FIXED_FILE the index of the registered file. */
  fd = -1;
  /** In bytes from the beginning of the file; -1 means the file's own position. */
  offset = 0;
  address = 0;
  lengthBytes = 0;
  /** The flags of the operation: RWF_ flags, IORING_FSYNC_ flags. */
  operationFlags = 0;
  /** The index of a registered buffer. */
  bufferIndex = 0;
  /** The entry's `splice_fd_in`, `file_index`, `addr_len` or `optlen`. */
  fileIndex = 0;
  /** The entry's `addr3`. */
  address3 = 0;

  /** The open file, held from the start to the last completion; null for a bare descriptor. */
  file: RingFile | null = null;
  /** The open file that a splice reads from. */
  otherFile: RingFile | null = null;
  /** The place in the ring's table that {@link fd} is the index of. */
  fixed: FixedFile | null = null;
  /** The registered buffer that {@link bufferIndex} is the index of. */
  fixedBuffer: { readonly owner: object } | null = null;
  /** The request that this one is about (a cancel, a timeout's update): the entry's `addr` names it when this one is submitted. */
  target: RingRequest | null = null;
  /** Which of the target's starts is meant. */
  targetStart = -1;
  /** What must stay alive until the last completion: the memory that the kernel works on, or what holds it. */
  memory: object | null = null;
  /** Memory for a small argument (a path, a time), kept for the next use. */
  argument: IoBuffer | null = null;
  /** The file or device for error messages, where one is known. */
  path: string | undefined = undefined;
  /** The chain that this request is a link of. */
  chain: ChainOfRequests | null = null;

  /** Where the ring keeps this request, -1 while it is with no ring; with {@link generation} it is the request's user_data. */
  slot = -1;
  /** Differs from one start to the next, so that a cancel meant for an earlier one finds nothing. */
  generation = 0;
  /** Whether the request has been started and has not completed for the last time. */
  started = false;
  /** How often it has been started. */
  starts = 0;
  /** What stands for the ring on which it was started last. */
  owner: object | null = null;

  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;

  /**
   * The completion, called on the thread that started the request and never inside `start`: once, or for a multishot request once more
   * for every completion that has IORING_CQE_F_MORE.
   *
   * @param result what the system call would have returned: a count, or a negative errno
   * @param flags the completion's IORING_CQE_F_ flags
   */
  abstract complete(result: number, flags: number): void;
}

/** Says which request another one is about: for the start that it is in now, and no later one. @internal */
export function name(request: RingRequest, target: RingRequest): void {
  request.target = target;
  request.targetStart = target.started ? target.starts : -1;
}

/** The name of a request's target, if that is still in the same start on the same ring; else a name that no request has. @internal */
export function targetData(request: RingRequest, target: RingRequest): number {
  const same = target.started && target.starts === request.targetStart && target.owner === request.owner;
  return same ? userData(target) : 0;
}

/** What the kernel knows a request by; what none is known by, if it is not under way. @internal */
export function userData(request: RingRequest): number {
  return request.slot < 0 ? 0 : request.generation * 2 ** 32 + request.slot;
}
