import { MessageChannel } from 'node:worker_threads';

/** ArrayBuffer.prototype.transfer (ES2024), which Node has from 21 on and TypeScript's ES2022 library does not declare. */
interface Transferable {
  transfer?(lengthBytes: number): ArrayBuffer;
}

/**
 * Gives the memory of byte arrays back that nobody needs any more, before the garbage collector finds them.
 *
 * What node:crypto returns is a new array each time. Left to the collector there are always some ten thousand of them, so each lies in memory that
 * no cache holds, and other threads are busy with their end. Given back at once, the next one gets the same memory again.
 */
export class ReleasedMemory {
  readonly #buffers: ArrayBuffer[] = [];

  /** Takes an array that is not used after the next {@link release}. One that shares its memory with others is left alone. */
  add({ buffer, byteLength }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength) return;
    const { transfer } = buffer as Transferable;
    if (transfer === undefined) this.#buffers.push(buffer);
    else transfer.call(buffer, 0);
  }

  /** Gives back what has been added. */
  release(): void {
    if (this.#buffers.length === 0) return;
    nowhere ??= closedPort();
    nowhere.postMessage(null, this.#buffers);
    this.#buffers.length = 0;
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
