import type { AioServicePool } from '@biodone/aio';
import type { IoBuffer } from '@biodone/uring';
import type { ControlBlock } from './control-block.js';
import { DescriptorOp } from './descriptor/descriptor-op.js';
import type { Vnode } from './descriptor/vnode.js';
import type { MemoryParts } from './file/memory-parts.js';
import type { RequestList } from './request-list.js';
import type { sigevent } from './sigevent.js';

/** A control block that was never submitted. */
export const REQUEST_IDLE = 0 as const;
/** In progress. */
export const REQUEST_IN_PROGRESS = 1 as const;
/** Done: error and result are final. */
export const REQUEST_DONE = 2 as const;
/** Done, and `aio_return` has taken the result. */
export const REQUEST_REAPED = 3 as const;

/** Where a request stands among those in progress, or among those that nobody has reaped. */
export class RequestEntry {
  queue: object | null = null;
  queueNext: RequestEntry | null = null;
  queuePrevious: RequestEntry | null = null;
  readonly request: AioRequest;

  constructor(request: AioRequest) {
    this.request = request;
  }
}

/**
 * The library's part of a control block: the operation, used again for each of its requests, and what is known of the one that it had last.
 */
export class AioRequest extends DescriptorOp {
  readonly cb: ControlBlock;
  readonly entry: RequestEntry;
  /** REQUEST_IDLE and its like. */
  status: number = REQUEST_IDLE;
  /** When done: 0, or the positive errno, and what `aio_return` returns. */
  errorNumber = 0;
  result = 0;
  /** What it was submitted to. */
  source: AioServicePool | null = null;
  /** Of a request on a descriptor: the file. */
  vnode: Vnode | null = null;
  /** The memory that is known: its view, the whole of it if it can be shared with the kernel, and its address. */
  view: Uint8Array | null = null;
  whole: IoBuffer | null = null;
  address = 0;
  /** The copy of memory that the kernel must not be given. */
  bounce: IoBuffer | null = null;
  /** Of aio_readv and aio_writev: the parts of the memory. */
  parts: MemoryParts | null = null;
  /** The notification that is asked for; null for none. */
  notification: sigevent | null = null;
  /** The list that waits for it, or is to be told of. */
  list: RequestList | null = null;
  /** Who waits by a promise. */
  waiters: (() => void)[] | null = null;

  constructor(cb: ControlBlock) {
    super();
    this.cb = cb;
    this.entry = new RequestEntry(this);
  }
}
