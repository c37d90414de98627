// Forgets a file that many requests were started on, the write end of a pipe, and says whether the open file is closed with it. Run with
// --expose-gc.

import { readSync } from 'node:fs';
import { IoBuffer, libc, prepareWrite, RingFile, RingRequest, ThreadRing } from '@biodone/uring';

const CLOEXEC_NONBLOCK = 0x80800;
const ends = new Int32Array(2);
libc().pipe2(ends, CLOEXEC_NONBLOCK);
const [readEnd, writeEnd] = ends;
const ring = new ThreadRing({ eventLoop: false });
const bytes = new Uint8Array(1024);

class Write extends RingRequest {
  complete(result) {
    if (result !== 1) throw new Error(`${result}`);
  }
}

function writeAndForget() {
  const file = RingFile.adopt(writeEnd, { path: 'hot', native: true });
  const memory = IoBuffer.allocate(1);
  for (let count = 0; count < 200; count++) {
    const write = new Write();
    prepareWrite(write, file, memory, 0, 1, -1);
    ring.start(write);
  }
  while (ring.inFlight > 0) ring.wait(10_000);
}

writeAndForget();
const before = readSync(readEnd, bytes);
process.removeAllListeners('warning');
process.once('warning', ({ code, message }) => {
  console.log(code, message);
  // Without the end of the file it would be EAGAIN.
  console.log(before, readSync(readEnd, bytes));
  clearInterval(collecting);
  ring.closeSync();
});
const collecting = setInterval(() => globalThis.gc(), 1);
