import { closeSync } from 'node:fs';
import { libc, prepareNop, type Ring, RingFile, RingRequest, type ThreadRing } from '@biodone/uring';

/** A request that remembers its results, and then does what the test wants. */
export class Probe extends RingRequest {
  readonly results: number[] = [];
  readonly #then: (result: number) => void;

  constructor(then: (result: number) => void = () => {}) {
    super();
    this.#then = then;
  }

  /** The one result. */
  get result(): number | undefined {
    if (this.results.length > 1) throw new Error(`${this.results.length} completions of one request`);
    return this.results[0];
  }

  override complete(result: number): void {
    this.results.push(result);
    this.#then(result);
  }
}

/** A request that does nothing. */
export function nop(then?: (result: number) => void): Probe {
  const request = new Probe(then);
  prepareNop(request);
  return request;
}

/** Prepares a request. */
export function prepared(prepare: (request: Probe) => void, then?: (result: number) => void): Probe {
  const request = new Probe(then);
  prepare(request);
  return request;
}

/** Waits until nothing is in flight. */
export function settle(ring: ThreadRing): void {
  while (ring.inFlight > 0) {
    if (ring.wait(10_000) === 'ETIME') throw new Error(`${ring.inFlight} requests do not complete`);
  }
}

/** Submits and reaps until nothing is in flight. */
export function finish(ring: Ring): void {
  while (ring.inFlight > 0) {
    if (ring.wait(1, 10_000) === 'ETIME') throw new Error(`${ring.inFlight} requests do not complete`);
    ring.reap(Number.POSITIVE_INFINITY);
  }
}

/** A pipe, as a file that has no data until somebody writes. */
export class Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
  /** The read end, as a file that requests can wait with. */
  readonly input: RingFile;

  constructor() {
    const ends = new Int32Array(2);
    const closeOnExec = 0x80000;
    if (libc().pipe2(ends, closeOnExec) < 0) throw new Error(`pipe2: errno ${libc().errno()}`);
    [this.readEnd, this.writeEnd] = ends as unknown as [number, number];
    this.input = RingFile.borrow(this.readEnd, 'pipe');
  }

  close(): void {
    closeSync(this.readEnd);
    closeSync(this.writeEnd);
  }
}
