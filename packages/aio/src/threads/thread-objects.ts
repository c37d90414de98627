import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { IoBuffer, IoVector } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import { MESSAGES } from './memory-layout.js';
import type { ServiceMessage, VectorHandle } from './thread-data.js';

/** How many buffers and vectors a thread remembers: all of them are made anew when there are more. */
const REMEMBERED_MAX = 1024;
const IOVEC_BYTES = 16;

/**
 * The memory of operations, for a service thread. It gets addresses, and keeps nothing alive: what it remembers of a buffer may be gone, and is
 * touched again only by an operation with the same number, whose memory the pool's side keeps. Numbers are never given twice.
 */
export class ThreadObjects {
  readonly #words: Int32Array;
  readonly #port: MessagePort;
  readonly #buffers = new Map<number, IoBuffer>();
  readonly #vectors = new Map<number, IoVector>();
  #messages: number;

  /** @param messages how many there were before those that come by `port` */
  constructor(memory: ServiceMemory, port: MessagePort, known: readonly ServiceMessage[], messages: number) {
    this.#words = memory.words;
    this.#port = port;
    this.#messages = messages;
    for (const message of known) this.#learn(message);
  }

  /** A buffer by its number and its address; null for 0, which is none. */
  buffer(number: number, address: number, lengthBytes: number): IoBuffer | null {
    if (number === 0) return null;
    const known = this.#buffers.get(number);
    if (known !== undefined && known.address === address && known.lengthBytes === lengthBytes) return known;
    if (address === 0) return null;
    const buffer = IoBuffer.borrow(number, address, lengthBytes);
    remember(this.#buffers, number, buffer);
    return buffer;
  }

  /** A vector by its number, and the address of its array of `struct iovec`; null for 0. */
  vector(number: number, address: number, count: number): IoVector | null {
    if (number === 0) return null;
    const known = this.#vectors.get(number);
    if (known !== undefined || address === 0) return known ?? null;
    const { bytes } = IoBuffer.borrow(0, address, count * IOVEC_BYTES);
    const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, count * 2);
    const parts = Array.from({ length: count }, (_, index) => ({
      memory: IoBuffer.borrow(0, Number(words[index * 2]), Number(words[index * 2 + 1])),
    }));
    const vector = new IoVector(parts);
    remember(this.#vectors, number, vector);
    return vector;
  }

  /** Reads what was sent before the operations that this thread has taken. The event loop never runs here, so messages are fetched. */
  receive(): void {
    // Pairs with the add of the pool's thread, which comes after the message was posted.
    const sent = Atomics.load(this.#words, MESSAGES);
    while (this.#messages !== sent) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#messages = (this.#messages + 1) | 0;
      this.#learn(received.message as ServiceMessage);
    }
  }

  #learn(message: ServiceMessage): void {
    if ('buffer' in message) this.#buffers.set(message.buffer.id, IoBuffer.attach(message.buffer));
    else if ('vector' in message) this.#learnVector(message);
    else if ('forget' in message) this.#buffers.delete(message.forget);
    else this.#vectors.delete(message.forgetVector);
  }

  #learnVector({ vector, segments }: VectorHandle): void {
    const parts = segments.map(({ buffer, memoryOffset, lengthBytes }) => ({
      memory: this.#buffers.get(buffer) as IoBuffer,
      memoryOffset,
      lengthBytes,
    }));
    // Of a vector that has been collected the buffers may be forgotten first: no operation has it.
    if (parts.every(({ memory }) => memory !== undefined)) this.#vectors.set(vector, new IoVector(parts));
  }
}

function remember<T>(objects: Map<number, T>, number: number, object: T): void {
  if (objects.size >= REMEMBERED_MAX) objects.clear();
  objects.set(number, object);
}
