import { writeSync } from 'node:fs';
import { IoBuffer, IoVector, prepareRead, prepareReadv, RingFile, RingRequest, ThreadRing } from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { Pipe } from './support/requests.js';

const READS = 64;
const BYTES = 4096;
const CANARY = 0xa5;

/** Says what it has read, and is held by nobody but its ring. */
class ForgottenRead extends RingRequest {
  readonly #seen: (text: string) => void;

  constructor(seen: (text: string) => void) {
    super();
    this.#seen = seen;
  }

  override complete(result: number): void {
    const { memory } = this;
    const buffers = memory instanceof IoVector ? memory.segments.map((segment) => segment.memory) : [memory as IoBuffer];
    this.#seen(Buffer.concat(buffers.map(({ bytes }) => bytes.subarray(0, result))).toString('latin1', 0, result));
  }
}

describeRing('memory of requests in flight', () => {
  const ring = new ThreadRing({ sqEntries: 128, cqEntries: 128 });
  afterAll(() => ring.close());
  const collect = globalThis.gc as () => void;

  /** Memory in the sizes of what is in flight, filled with a pattern, where something that was let go of would be. */
  function churn(): Uint8Array[] {
    const filled: Uint8Array[] = [];
    for (let count = 0; count < 500; count++) {
      const memory = [
        new SharedArrayBuffer(2 * BYTES),
        new ArrayBuffer(BYTES),
        new SharedArrayBuffer(BYTES),
        Buffer.alloc(16).buffer,
      ];
      for (const one of memory) filled.push(new Uint8Array(one).fill(CANARY));
    }
    return filled;
  }

  it.each(['read', 'readv'])('is kept for a %s although nobody else holds it, and no other memory is written', async (kind) => {
    const pipes = Array.from({ length: READS }, () => new Pipe());
    const seen: string[] = [];
    const gone: WeakRef<object>[] = [];
    // In a function of its own, so that nothing stays on the stack.
    const start = (): void => {
      for (const [index, { readEnd }] of pipes.entries()) {
        const request = new ForgottenRead((text) => {
          seen[index] = text;
        });
        const memory = IoBuffer.allocate(BYTES);
        const file = RingFile.borrow(readEnd);
        if (kind === 'read') prepareRead(request, file, memory, 0, BYTES, -1);
        else prepareReadv(request, file, new IoVector([{ memory, lengthBytes: 100 }, { memory: IoBuffer.allocate(BYTES) }]), -1);
        ring.start(request);
        gone.push(new WeakRef(memory));
      }
    };
    start();
    ring.flush();
    const canaries: Uint8Array[] = [];
    for (let round = 0; round < 5; round++) {
      // What a WeakRef was made of is held until the turn is over.
      await new Promise(setImmediate);
      collect();
      canaries.push(...churn());
    }
    expect(gone.filter((memory) => memory.deref() === undefined).length).toBe(0);
    for (const [index, { writeEnd }] of pipes.entries()) writeSync(writeEnd, String.fromCharCode(65 + (index % 26)).repeat(100));
    while (ring.inFlight > 0) ring.wait(10_000);
    expect(seen).toEqual(pipes.map((_, index) => String.fromCharCode(65 + (index % 26)).repeat(100)));
    expect(canaries.every((bytes) => bytes.every((byte) => byte === CANARY))).toBe(true);
    // And it is let go of after that.
    for (let round = 0; round < 5; round++) {
      await new Promise(setImmediate);
      collect();
    }
    expect(gone.filter((memory) => memory.deref() !== undefined).length).toBe(0);
    for (const pipe of pipes) pipe.close();
  });
});
