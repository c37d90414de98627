import { IoBuffer, IoVector } from '@biodone/uring';
import type { ServiceMessage } from './thread-data.js';

/**
 * The memory that service threads have been told of. An operation names it by a number; the data itself never travels.
 *
 * Each buffer and vector is sent once, and forgotten when the last object that stands for it here has been collected: the list holds the
 * memory, not the objects.
 */
export class SharedObjects {
  readonly #send: (message: ServiceMessage) => void;
  /** How many objects stand for a buffer, and what it was sent as, by its id. */
  readonly #buffers = new Map<number, { objects: number; readonly message: ServiceMessage }>();
  readonly #vectors = new Map<number, ServiceMessage>();
  readonly #bufferObjects = new WeakSet<IoBuffer>();
  readonly #vectorNumbers = new WeakMap<IoVector, number>();
  readonly #collectedBuffer: FinalizationRegistry<number>;
  readonly #collectedVector: FinalizationRegistry<number>;
  #lastVector = 0;

  /** @param send tells all threads that there are */
  constructor(send: (message: ServiceMessage) => void) {
    this.#send = send;
    this.#collectedBuffer = new FinalizationRegistry((id) => this.#forgetBuffer(id));
    this.#collectedVector = new FinalizationRegistry((vector) => {
      this.#vectors.delete(vector);
      this.#send({ forgetVector: vector });
    });
  }

  /** What a new thread has to be told. */
  all(): ServiceMessage[] {
    return [...[...this.#buffers.values()].map(({ message }) => message), ...this.#vectors.values()];
  }

  /** The number of a buffer: 0 for what is no buffer, -1 for one that lies in memory of this thread alone. */
  bufferNumber(buffer: IoBuffer): number {
    return this.#bufferObjects.has(buffer) ? buffer.id : this.#register(buffer);
  }

  /** The number of a vector, as {@link bufferNumber}. */
  vectorNumber(vector: IoVector): number {
    return this.#vectorNumbers.get(vector) ?? this.#registerVector(vector);
  }

  #register(buffer: IoBuffer): number {
    // Whoever writes JavaScript can hand over anything: the channel calls it invalid.
    if (!(buffer instanceof IoBuffer)) return 0;
    if (!(buffer.bytes.buffer instanceof SharedArrayBuffer)) return -1;
    const { id } = buffer;
    this.#bufferObjects.add(buffer);
    this.#collectedBuffer.register(buffer, id);
    const known = this.#buffers.get(id);
    if (known !== undefined) {
      known.objects += 1;
      return id;
    }
    const message = { buffer: buffer.handle() };
    this.#buffers.set(id, { objects: 1, message });
    this.#send(message);
    return id;
  }

  #registerVector(vector: IoVector): number {
    if (!(vector instanceof IoVector)) return 0;
    const buffers = vector.segments.map(({ memory }) => this.bufferNumber(memory));
    if (buffers.some((number) => number <= 0)) return -1;
    const number = ++this.#lastVector;
    const segments = vector.segments.map(({ memoryOffset, lengthBytes }, index) => ({
      buffer: buffers[index] as number,
      memoryOffset,
      lengthBytes,
    }));
    const message = { vector: number, segments };
    this.#vectorNumbers.set(vector, number);
    this.#collectedVector.register(vector, number);
    this.#vectors.set(number, message);
    this.#send(message);
    return number;
  }

  #forgetBuffer(id: number): void {
    const known = this.#buffers.get(id);
    if (known === undefined) return;
    known.objects -= 1;
    if (known.objects > 0) return;
    this.#buffers.delete(id);
    this.#send({ forget: id });
  }
}
