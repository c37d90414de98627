import { IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE_ZEROES, BlockIo, type BlockOperation } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { runIo } from './child-device.js';

/** Requests to a device of a cache while that is opened. Each has to succeed. */
export class LabelIo {
  readonly #device: BlockDevice;
  readonly #claim: BlockClaim | null;

  constructor(device: BlockDevice, claim: BlockClaim | null) {
    this.#device = device;
    this.#claim = claim;
  }

  async read(offset: number, lengthBytes: number): Promise<IoBuffer> {
    const buffer = IoBuffer.allocate(lengthBytes);
    await this.#run(BLOCK_READ, offset, lengthBytes, buffer);
    return buffer;
  }

  async write(offset: number, buffer: IoBuffer): Promise<void> {
    await this.#run(BLOCK_WRITE, offset, buffer.lengthBytes, buffer);
    await this.#run(BLOCK_FLUSH, 0, 0, null);
  }

  async zero(offset: number, lengthBytes: number): Promise<void> {
    await this.#run(BLOCK_WRITE_ZEROES, offset, lengthBytes, null);
    await this.#run(BLOCK_FLUSH, 0, 0, null);
  }

  /** Makes stable what whoever had the device before has left in its volatile cache: what is read then is what a power failure leaves. */
  flush(): Promise<void> {
    return this.#run(BLOCK_FLUSH, 0, 0, null);
  }

  #run(operation: BlockOperation, offset: number, lengthBytes: number, buffer: IoBuffer | null): Promise<void> {
    const io = Object.assign(new BlockIo(), { operation, offset, lengthBytes, buffer, claim: this.#claim });
    return runIo(this.#device, io, 'openCache');
  }
}
