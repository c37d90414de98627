// What can only be seen from outside, when rings are closed: `node closing-scenarios.mjs NAME close|closeSync`.

import { readdirSync, writeSync } from 'node:fs';
import { IoBuffer, libc, prepareRead, prepareTimeout, RingFile, RingRequest, ThreadRing } from '@biodone/uring';

const [name, way] = process.argv.slice(2);
const buffer = IoBuffer.allocate(64);
const ends = new Int32Array(2);
libc().pipe2(ends, 0x80000);
const input = RingFile.borrow(ends[0]);

class Request extends RingRequest {
  constructor(then) {
    super();
    this.complete = then;
  }

  complete() {}
}

function say(text) {
  writeSync(1, `${text}\n`);
}

function startRead(ring, then) {
  const request = new Request(then);
  prepareRead(request, input, buffer, 0, 1, -1);
  ring.start(request);
  return request;
}

const scenarios = {
  /** Each exception is one of the process, and all completions come. */
  async throws() {
    process.on('uncaughtException', ({ message }) => say(`uncaught ${message}`));
    // The last of them wait for room.
    const ring = new ThreadRing({ sqEntries: 4, cqEntries: 4 });
    for (let index = 0; index < 10; index++) {
      startRead(ring, (result) => {
        say(`completion ${index} ${result}`);
        if (index % 3 === 0) throw new Error(`of ${index}`);
      });
    }
    ring.flush();
    await ring[way]();
    say(`closed ${ring.ring.closed}`);
    process.on('exit', () => say('exit'));
  },

  /** Nobody hears of the exception of the only completion. */
  async throwsUnheard() {
    const ring = new ThreadRing();
    startRead(ring, () => {
      throw new Error('unheard');
    });
    ring.flush();
    await ring[way]();
  },

  /** Nothing is left that would keep the process, and no descriptor. */
  async ends() {
    const count = () => readdirSync('/proc/self/fd').length;
    const warm = new ThreadRing();
    await warm.close();
    await new Promise(setImmediate);
    const before = count();
    for (let round = 0; round < 20; round++) {
      const ring = new ThreadRing({ sqEntries: 4, cqEntries: 4 });
      const timer = new Request(() => {});
      prepareTimeout(timer, 1_000_000);
      ring.start(timer);
      for (let index = 0; index < 10; index++) startRead(ring, () => {});
      if (round % 2 === 0) ring.flush();
      await ring[way]();
    }
    process.on('exit', () => say(`exit with ${count() - before} descriptors more`));
  },

  /** The process is kept by a ring that is being closed, even if nothing else keeps it. */
  async staysUntilClosed() {
    const ring = new ThreadRing();
    const read = startRead(ring, (result) => say(`completion ${result}`));
    ring.flush();
    await null;
    void ring[way]();
    process.on('exit', () => say(`exit, started ${read.started}, closed ${ring.ring.closed}`));
  },
};

await scenarios[name]();
