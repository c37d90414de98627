// Programs of their own for what can only be seen from outside: how a process stays alive and ends, and what it does
// with exceptions. Each is run as `node process-scenarios.mjs NAME`.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { IoBuffer, libc, prepareNop, prepareRead, RingFile, RingRequest, ThreadRing } from '@biodone/uring';
import { forbidArguments } from './seccomp.mjs';

const buffer = IoBuffer.allocate(65_536);

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

function pipe() {
  const ends = new Int32Array(2);
  libc().pipe2(ends, 0x80000);
  return ends;
}

function startNop(ring, then) {
  const request = new Request(then);
  prepareNop(request);
  ring.start(request);
}

function startRead(ring, file, then) {
  const request = new Request(then);
  prepareRead(request, file, buffer, 0, 4096, file === 0 ? -1 : 0);
  ring.start(request);
}

/** A file that is removed when the process ends, with its contents in the page cache. */
function cachedFile() {
  const folder = mkdtempSync(join(tmpdir(), 'biodone-test-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(65_536));
  return RingFile.open(path, 'r');
}

const scenarios = {
  /** Nothing but the request holds the process: the timer that lets it complete does not. */
  staysAlive() {
    const ring = new ThreadRing();
    const [readEnd, writeEnd] = pipe();
    const request = new Request((result) => say(`read ${result}`));
    prepareRead(request, readEnd, buffer, 0, 16, -1);
    ring.start(request);
    setTimeout(() => writeSync(writeEnd, 'data'), 50).unref();
    process.on('exit', () => say(`exit with ${ring.inFlight} in flight`));
  },

  /** The ring and its descriptors stay open, and nothing is in flight. */
  endsWhenIdle() {
    const ring = new ThreadRing();
    const file = cachedFile();
    let left = 100;
    const next = () => {
      left -= 1;
      if (left > 0) startRead(ring, file, next);
    };
    next();
    process.on('exit', () => say(`exit with ${ring.inFlight} in flight, ${left} left`));
  },

  /** Who said that he polls is not kept alive. */
  endsWithoutEventLoop() {
    const ring = new ThreadRing({ eventLoop: false });
    const [readEnd] = pipe();
    const request = new Request(() => say('completed'));
    prepareRead(request, readEnd, buffer, 0, 16, -1);
    ring.start(request);
    setImmediate(() => say(`turned with ${ring.inFlight} in flight`));
  },

  exceptions() {
    const ring = new ThreadRing();
    process.on('uncaughtException', (error) => say(`uncaught ${error.message}`));
    for (let index = 0; index < 5; index++)
      startNop(ring, () => {
        say(`completion ${index}`);
        if (index % 2 === 0) throw new Error(`of ${index}`);
      });
    process.on('exit', () => say(`exit with ${ring.inFlight} in flight`));
  },

  exceptionEndsTheProcess() {
    startNop(new ThreadRing(), () => {
      throw new Error('nobody catches this');
    });
  },

  async promises() {
    const ring = new ThreadRing();
    const read = (one) => new Promise((resolve) => startRead(ring, one, resolve));
    const file = cachedFile();
    let bytes = 0;
    for (let count = 0; count < 3000; count++) bytes += await read(file);
    say(`read ${bytes}`);
    const failed = Promise.reject(new Error('rejected in a completion'));
    process.on('unhandledRejection', (error) => say(`unhandled ${error.message}`));
    startNop(ring, () => void failed.then());
  },

  /** Somebody waits while another's completion throws: what was delivered before that is not waited for. */
  exceptionInWait() {
    const ring = new ThreadRing();
    const [readEnd, writeEnd] = pipe();
    process.on('uncaughtException', (error) => say(`uncaught ${error.message}`));
    startRead(ring, readEnd, () => {});
    ring.poll();
    let done = false;
    startNop(ring, () => {
      done = true;
    });
    startNop(ring, () => {
      throw new Error('of another');
    });
    say(`waited ${ring.wait(60_000)}, done ${done}, ${ring.inFlight} in flight`);
    writeSync(writeEnd, 'x');
  },

  /** Callbacks that always start the next cached read leave the event loop its turns. */
  starvesNobody() {
    const ring = new ThreadRing();
    const file = cachedFile();
    let stop = false;
    let reads = 0;
    const again = () => {
      reads += 1;
      if (!stop) startRead(ring, file, again);
    };
    for (let count = 0; count < 8; count++) startRead(ring, file, again);
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
      if (turns < 5) return;
      stop = true;
      clearInterval(timer);
      say(reads > 1000 ? 'timers ran among the reads' : `only ${reads} reads`);
    }, 5);
  },

  /** A signal arrives while the thread sleeps in wait(); the parent sends it until it has an answer. */
  interrupted() {
    const ring = new ThreadRing();
    const [readEnd, writeEnd] = pipe();
    process.on('SIGUSR1', () => {});
    startRead(ring, readEnd, (result) => {
      say(`read ${result}`);
      process.exit();
    });
    say('ready');
    say(`waited ${ring.wait(60_000)}, ${ring.inFlight} in flight`);
    writeSync(writeEnd, 'data');
  },

  /** The kernel has no memory for one request, but for two it has. */
  shortOfMemory() {
    const ring = new ThreadRing();
    // io_uring_enter(2) with this ring, to submit one.
    forbidArguments(426, ring.ring.fd, 1, constants.errno.EAGAIN);
    let turns = 0;
    startNop(ring, (result) => say(`first ${result}`));
    say(`polled ${ring.poll()}`);
    const timer = setInterval(() => {
      turns += 1;
      if (turns === 3) startNop(ring, (result) => say(`second ${result}`));
      if (ring.inFlight === 0) clearInterval(timer);
    }, 2);
  },

  /** No descriptors are left for a ring, then one, then two, and so on until there are enough. */
  outOfDescriptors() {
    libc();
    const fillers = [];
    const fill = () => {
      try {
        for (;;) fillers.push(openSync('/dev/null'));
      } catch (error) {
        return error.code;
      }
    };
    say(fill());
    for (let free = 0; ; free++) {
      for (let count = 0; count < free; count++) closeSync(fillers.pop());
      try {
        new ThreadRing().closeSync();
        say('opened');
        return;
      } catch (error) {
        say(error.code);
      }
      const before = fillers.length;
      fill();
      if (fillers.length !== before + free) say(`${before + free - fillers.length} descriptors are lost`);
    }
  },

  /** A completion closes the ring, and the process goes on and ends. */
  closeInCompletion() {
    const ring = new ThreadRing();
    startNop(ring, () => void ring.close());
    setTimeout(() => say('still turning'), 5);
  },

  /** A hundred turns of the event loop, each starting 32 cached reads: for a count of system calls. */
  batches() {
    const ring = new ThreadRing();
    const file = cachedFile();
    let left = 100;
    let completed = 0;
    const batch = () => {
      left -= 1;
      for (let count = 0; count < 32; count++) startRead(ring, file, () => (completed += 1));
      if (left > 0) setImmediate(batch);
    };
    process.on('exit', () => say(`ring ${ring.ring.fd}, completed ${completed}`));
    batch();
  },
};

scenarios[process.argv[2]]();
