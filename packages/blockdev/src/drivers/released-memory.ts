import { MessageChannel } from 'node:worker_threads';

/** ArrayBuffer.prototype.transfer (ES2024), which Node has from 21 on and TypeScript's ES2022 library does not declare. */
interface Transferable {
  transfer?(lengthBytes: number): ArrayBuffer;
}

/** How much is given back at a time where that takes a message, which costs as much as the encryption of a sector. */
const BATCH_BYTES = 65536;
/** What is smaller is left to the collector there: its share of the message would cost more than it saves. */
const WORTH_BYTES = 1024;

/**
 * Gives the memory of byte arrays back that nobody needs any more, before the garbage collector finds them.
 *
 * What node:crypto returns is a new array each time. Left to the collector there are always some thousands of them, so each lies in memory that
 * no cache holds, and other threads are busy with their end. Given back soon, the next one gets the same memory again.
 */
export class ReleasedMemory {
  readonly #buffers: ArrayBuffer[] = [];
  #bytes = 0;

  /** Takes an array that nobody uses any more. One that shares its memory with others is left alone. */
  add({ buffer, byteLength }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength) return;
    const { transfer } = buffer as Transferable;
    if (transfer !== undefined) {
      transfer.call(buffer, 0);
      return;
    }
    if (byteLength < WORTH_BYTES) return;
    this.#buffers.push(buffer);
    this.#bytes += byteLength;
    if (this.#bytes >= BATCH_BYTES) this.#release();
  }

  #release(): void {
    nowhere ??= closedPort();
    nowhere.postMessage(null, this.#buffers);
    this.#buffers.length = 0;
    this.#bytes = 0;
  }
}

type Port = MessageChannel['port1'];

let nowhere: Port | null = null;

/** A message to a closed port takes what is transferred away from its sender, and ends (HTML, "message port post message steps"). */
function closedPort(): Port {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
