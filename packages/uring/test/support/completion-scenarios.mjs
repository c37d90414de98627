// What completions may do, on the main thread and in a worker: `node completion-scenarios.mjs NAME main|worker`.

import { closeSync, openSync, writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { IoBuffer, prepareNop, prepareRead, RingFile, RingRequest, threadRing } from '@biodone/uring';

function say(text) {
  writeSync(1, `${text}\n`);
}

class Nop extends RingRequest {
  constructor(then) {
    super();
    this.after = then;
  }

  complete(result) {
    this.after(result);
  }
}

function startNop(then) {
  const request = new Nop(then);
  prepareNop(request);
  threadRing().start(request);
}

const scenarios = {
  /** Each completion that throws is an exception of its own, and the others come all the same. */
  throws() {
    process.on('uncaughtException', ({ message }) => say(`uncaught ${message}`));
    for (let index = 0; index < 4; index++) {
      startNop(() => {
        say(`completion ${index}`);
        if (index < 2) throw new Error(`of ${index}`);
      });
    }
  },

  /** Nobody hears of the exception. */
  throwsUnheard() {
    startNop(() => {
      throw new Error('unheard');
    });
  },

  /** A promise that fails in a completion is unhandled like any other. */
  rejects() {
    process.on('unhandledRejection', ({ message }) => say(`unhandled ${message}`));
    startNop(async () => {
      await null;
      throw new Error('after an await in a completion');
    });
  },

  /** Promises go on between completions, each of which starts the next request by what the one before has awaited. */
  async awaits() {
    const ring = threadRing();
    const file = RingFile.open(process.execPath);
    const memory = IoBuffer.allocate(512);
    let bytes = 0;
    for (let count = 0; count < 2000; count++) {
      bytes += await ring.run((request) => prepareRead(request, file, memory, 0, 512, count * 512));
      await null;
      if (count % 500 === 0) await new Promise(setImmediate);
    }
    say(`read ${bytes}`);
    await file.close();
    let depth = 0;
    const nested = async () => {
      depth += 1;
      await ring.run(prepareNop);
      if (depth < 1000) await nested();
    };
    await nested();
    say(`nested ${depth}`);
  },

  /** What a completion has settled goes on before the event loop turns. */
  settles() {
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    const settled = new Promise((resolve) => startNop(resolve));
    settled.then((result) => say(`settled ${result}, turned ${turned}`));
  },

  /** A completion fails inside a wait: the wait returns, and the exception surfaces later. */
  throwsInWait() {
    process.on('uncaughtException', ({ message }) => say(`uncaught ${message}`));
    const descriptor = openSync(process.execPath, 'r');
    startNop(() => {
      throw new Error('in a wait');
    });
    say(`waited ${threadRing().wait(10_000)}`);
    closeSync(descriptor);
  },
};

const [name, where] = isMainThread ? process.argv.slice(2) : [workerData, 'main'];
if (where === 'main') {
  await scenarios[name]();
} else {
  const worker = new Worker(new URL(import.meta.url), { workerData: name });
  worker.on('error', ({ message }) => say(`error ${message}`));
  worker.on('exit', (code) => say(`exit ${code}`));
}
