import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { IoBuffer, IoVector } from '@biodone/uring';
import type { ServiceMemory } from '../service-memory.js';
import { MESSAGES } from './memory-layout.js';
import type { ServiceMessage, VectorHandle } from './thread-data.js';

/** The memory that the pool has told this service thread of, by its number. */
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

  buffer(number: number): IoBuffer | null {
    return this.#buffers.get(number) ?? null;
  }

  vector(number: number): IoVector | null {
    return this.#vectors.get(number) ?? null;
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
