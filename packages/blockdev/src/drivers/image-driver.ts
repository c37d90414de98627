import { ENOTSUP, EROFS } from '@biodone/uring';
import { type BlockTimers, threadTimers } from '../batch-clock.js';
import { biodone } from '../biodone.js';
import { type AbortVerdict, BLOCK_EXTENTS, BLOCK_FLUSH, BLOCK_READ, type BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { ImageReads, type ImageReadsParts } from './image-reads.js';

/** What makes the driver of an image. */
export interface ImageParts extends ImageReadsParts {
  readonly name: string;
  /** What `config` and `describe` call the image below. */
  readonly belowName: string;
  readonly sizeBytes: number;
  readonly timers?: BlockTimers;
  readonly description: Readonly<Record<string, unknown>>;
  readonly handed: Readonly<Record<string, unknown>>;
  readonly close: () => void | Promise<void>;
}

const TRANSFER_MAX_BYTES = 2 ** 20;

/** The driver of image formats, which differ in their maps. An image is for reading alone. */
export class ImageDriver implements BlockDriver {
  readonly name: string;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #parts: ImageParts;
  readonly #reads: ImageReads;

  constructor(parts: ImageParts) {
    const { children } = parts;
    this.name = parts.name;
    this.#parts = parts;
    this.#reads = new ImageReads(parts);
    const limits = children.all.map((device) => device.limits);
    const blockSizeBytes = Math.max(...limits.map((each) => each.blockSizeBytes));
    const progress = children.all.map(({ capabilities }) => capabilities.progress);
    this.limits = {
      blockSizeBytes,
      sizeBytes: parts.sizeBytes - (parts.sizeBytes % blockSizeBytes),
      memoryAlignmentBytes: Math.max(...limits.map((each) => each.memoryAlignmentBytes)),
      maxTransferBytes: TRANSFER_MAX_BYTES,
      maxInFlight: 256,
    };
    this.capabilities = {
      readOnly: true,
      progress: progress.includes('event-loop') ? 'event-loop' : 'any',
      extents: true,
      volatileCache: false,
      rotational: children.all.some(({ capabilities }) => capabilities.rotational),
    };
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) this.#reads.start(io);
    else biodone(io, operation === BLOCK_FLUSH ? 0 : this.#refusal(operation));
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) io.error = this.#reads.run(io);
    else io.error = operation === BLOCK_FLUSH ? 0 : this.#refusal(operation);
  }

  abort(io: BlockIo): AbortVerdict {
    return this.#reads.abort(io);
  }

  poll(): number {
    return this.#parts.children.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#parts.children.wait(timeoutMs, this.#parts.timers ?? threadTimers);
  }

  describe(): Record<string, unknown> {
    const [device, below] = this.#parts.children.all.map((one) => one.describe());
    return {
      ...this.#parts.description,
      sizeBytes: this.#parts.sizeBytes,
      device,
      ...(below === undefined ? {} : { [this.#parts.belowName]: below }),
    };
  }

  config(): DeviceSpec {
    const [device, backing] = this.#parts.children.all.map((one) => one.config()) as [DeviceSpec, DeviceSpec?];
    return { driver: this.name, device, ...(backing === undefined ? {} : { [this.#parts.belowName]: backing }) };
  }

  handle(): DeviceHandle {
    const { children, handed, sizeBytes } = this.#parts;
    return {
      driver: this.name,
      ...handed,
      sizeBytes,
      devices: children.all.map((device, index) => device.handle(children.claim(index))),
    };
  }

  attached(events: DriverEvents): void {
    // Of an image that has become smaller, nobody knows what is missing.
    this.#parts.children.watch(
      (index) => this.#parts.children.device(index).limits.sizeBytes ?? 0,
      () => events.removed(),
    );
  }

  close(): void | Promise<void> {
    this.#parts.children.release();
    return this.#parts.close();
  }

  #refusal(operation: number): number {
    return operation === BLOCK_READ ? ENOTSUP : EROFS;
  }
}
