import type {
  AbortVerdict,
  BlockCapabilities,
  BlockDriver,
  BlockIo,
  BlockLimits,
  DeviceHandle,
  DeviceSpec,
} from '@biodone/blockdev';
import { ENOTSUP, SystemError } from '@biodone/uring';
import type { DescriptorEngine } from './descriptor-engine.js';
import type { DescriptorOp } from './descriptor-op.js';

/** How many parts a request may have (UIO_MAXIOV). */
const SEGMENTS_MAX = 1024;

/** A device whose operations say which descriptor they are on. Transfers end as read(2) and write(2) leave them: none is tried again or cut. */
export class DescriptorDriver implements BlockDriver {
  readonly name: string;
  readonly limits: BlockLimits = {
    blockSizeBytes: 1,
    sizeBytes: null,
    memoryAlignmentBytes: 1,
    maxSegments: SEGMENTS_MAX,
    maxTransferBytes: Number.MAX_SAFE_INTEGER,
  };
  readonly capabilities: BlockCapabilities = { readOnly: false, progress: 'any', fua: 'native', retry: false };
  readonly #engine: DescriptorEngine;

  constructor(engine: DescriptorEngine, isStream: boolean) {
    this.name = isStream ? 'stream' : 'descriptor';
    this.#engine = engine;
  }

  start(io: BlockIo): void {
    this.#engine.start(io as DescriptorOp);
  }

  startSync(io: BlockIo): void {
    // Who wants to block calls read(2): these operations are asynchronous.
    io.error = ENOTSUP;
  }

  abort(io: BlockIo): AbortVerdict {
    return this.#engine.abort(io as DescriptorOp);
  }

  poll(): number {
    return this.#engine.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#engine.wait(timeoutMs);
  }

  beforeSleep(vain: number): number {
    return this.#engine.beforeSleep(vain);
  }

  describe(): Record<string, unknown> {
    return { engine: this.#engine.name };
  }

  config(): DeviceSpec {
    throw this.#none('config');
  }

  handle(): DeviceHandle {
    throw this.#none('handle');
  }

  close(): void {
    // The descriptors are others'.
  }

  #none(call: string): SystemError {
    return new SystemError(ENOTSUP, call, undefined, 'the device stands for descriptors that its operations name');
  }
}
