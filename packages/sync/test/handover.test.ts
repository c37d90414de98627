import { KCondvar, KMutex, KRwlock, KSemaphore, MpscRing, type SerializedPrimitive, SpscRing } from '@biodone/sync';
import { describe, expect, it } from 'vitest';
import { answerOf, errorOf, startWorker } from './helpers.js';

const shape = { recordBytes: 8, capacity: 4 };

interface Kind {
  readonly name: string;
  bytes(): number;
  initialize(memory: SharedArrayBuffer, byteOffset: number): { serialize(): SerializedPrimitive };
  attach(serialized: SerializedPrimitive): { serialize(): SerializedPrimitive };
  view(memory: SharedArrayBuffer, byteOffset: number): unknown;
}

const locks = [KMutex, KCondvar, KRwlock, KSemaphore].map(
  (Lock): Kind => ({
    name: Lock.name,
    bytes: () => Lock.BYTES,
    initialize: (memory, byteOffset) => Lock.initialize(memory, byteOffset),
    attach: (serialized) => Lock.attach(serialized),
    view: (memory, byteOffset) => new Lock(memory, byteOffset),
  }),
);
const rings = [SpscRing, MpscRing].map(
  (Ring): Kind => ({
    name: Ring.name,
    bytes: () => Ring.bytes(shape),
    initialize: (memory, byteOffset) => Ring.initialize(memory, byteOffset, shape),
    attach: (serialized) => Ring.attach(serialized),
    view: (memory, byteOffset) => new Ring(memory, byteOffset),
  }),
);
const kinds = [...locks, ...rings];

describe.each(kinds.map((kind) => [kind.name, kind] as const))('%s', (name, kind) => {
  const place = (): SharedArrayBuffer => new SharedArrayBuffer(64 + kind.bytes());

  it('says what it is, and can be attached to', () => {
    const memory = place();
    const serialized = kind.initialize(memory, 64).serialize();
    expect(serialized).toEqual({ kind: name, version: 1, memory, byteOffset: 64, bytes: kind.bytes() });
    expect(kind.attach(serialized).serialize()).toEqual(serialized);
  });

  it('tells another kind, another version, and what is no primitive', () => {
    const memory = place();
    const serialized = kind.initialize(memory, 64).serialize();
    for (const other of kinds) {
      if (other === kind) continue;
      expect(errorOf(() => other.attach(serialized)).code).toBe('EINVAL');
      expect(errorOf(() => other.view(memory, 64)).code).toBe('EINVAL');
    }
    expect(errorOf(() => kind.attach({ ...serialized, version: 2 })).code).toBe('EPROTONOSUPPORT');
    for (const bytes of [serialized.bytes - 8, serialized.bytes + 8, 0]) {
      expect(errorOf(() => kind.attach({ ...serialized, bytes })).code).toBe('EINVAL');
    }
    for (const value of [null, undefined, {}, 7]) expect(errorOf(() => kind.attach(value as never)).code).toBe('EINVAL');
    expect(errorOf(() => kind.view(memory, 0)).code).toBe('EINVAL');
    // A later version of this package has written there.
    const words = new Int32Array(memory, 64);
    words[0] = (words[0] as number) + 0x100;
    expect(errorOf(() => kind.view(memory, 64)).code).toBe('EPROTONOSUPPORT');
  });

  it('tells a place that cannot hold it', () => {
    const memory = new SharedArrayBuffer(kind.bytes() + 56);
    for (const byteOffset of [4, -8, 1.5, Number.NaN, 64, 2 ** 40]) {
      expect(errorOf(() => kind.initialize(memory, byteOffset)).code).toBe('EINVAL');
      expect(errorOf(() => kind.view(memory, byteOffset)).code).toBe('EINVAL');
    }
    expect(errorOf(() => kind.initialize(new ArrayBuffer(4096) as never, 0)).code).toBe('EINVAL');
    expect(errorOf(() => kind.initialize(Buffer.alloc(4096) as never, 0)).code).toBe('EINVAL');
    // A ring that says of itself that it is longer than its memory.
    kind.initialize(memory, 0);
    new Int32Array(memory)[1] = 2 ** 30;
    expect(errorOf(() => kind.view(memory, 0)).code).toBe('EINVAL');
    new Int32Array(memory)[1] = 8;
    expect(errorOf(() => kind.view(memory, 0)).code).toBe('EINVAL');
  });
});

describe('a message', () => {
  it('carries primitives to a worker, in workerData and by postMessage', async () => {
    const memory = new SharedArrayBuffer(KMutex.BYTES + KCondvar.BYTES + KRwlock.BYTES + KSemaphore.BYTES);
    const mutex = KMutex.initialize(memory, 0);
    const condvar = KCondvar.initialize(memory, 64);
    const lock = KRwlock.initialize(memory, 128);
    const semaphore = KSemaphore.initialize(memory, 192);
    const worker = startWorker('attacher', { semaphore: semaphore.serialize() });
    mutex.enter();
    worker.postMessage({ mutex: mutex.serialize(), condvar: condvar.serialize(), lock: lock.serialize() });
    expect(condvar.timedWait(mutex, 10_000)).toBe(true);
    mutex.exit();
    expect(await answerOf(worker)).toBe('attached');
    expect(semaphore.value()).toBe(1);
  });
});
