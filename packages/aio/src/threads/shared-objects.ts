import type { IoBuffer, IoVector } from '@biodone/uring';
import type { ServiceMessage } from './thread-data.js';

/**
 * The numbers of vectors; and where there are no addresses, because the platform has no foreign function interface, the memory that service
 * threads have been told of: an operation names it by a number, the data itself never travels.
 *
 * Each buffer and vector is sent once, and forgotten when the last object that stands for it here has been collected: the list holds the
 * memory, not the objects. What was sent to a thread stays until that thread has collected its garbage too.
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

  /** Tells the threads of a buffer that has no address. It lies in memory that can be shared. */
  tell(buffer: IoBuffer): void {
    if (this.#bufferObjects.has(buffer)) return;
    const { id } = buffer;
    this.#bufferObjects.add(buffer);
    this.#collectedBuffer.register(buffer, id);
    const known = this.#buffers.get(id);
    if (known !== undefined) {
      known.objects += 1;
      return;
    }
    const message = { buffer: buffer.handle() };
    this.#buffers.set(id, { objects: 1, message });
    this.#send(message);
  }

  /** The number of a vector, whose parts can be shared. Tells the threads of it if it has no address. */
  vectorNumber(vector: IoVector): number {
    const known = this.#vectorNumbers.get(vector);
    if (known !== undefined) return known;
    const number = ++this.#lastVector;
    this.#vectorNumbers.set(vector, number);
    if (vector.address === 0) this.#tellVector(vector, number);
    return number;
  }

  #tellVector(vector: IoVector, number: number): void {
    for (const { memory } of vector.segments) this.tell(memory);
    const segments = vector.segments.map(({ memory, memoryOffset, lengthBytes }) => ({
      buffer: memory.id,
      memoryOffset,
      lengthBytes,
    }));
    const message = { vector: number, segments };
    this.#collectedVector.register(vector, number);
    this.#vectors.set(number, message);
    this.#send(message);
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
