// A worker that ends with requests in flight.

import { constants } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import {
  IOSQE_ASYNC,
  IoBuffer,
  prepareFsync,
  prepareRead,
  prepareWrite,
  RingFile,
  RingRequest,
  ThreadRing,
} from '@biodone/uring';

const { fifoPath, readPath, writePath, end, seed } = workerData;
const LARGE = 2 ** 20;
const { O_DIRECT, O_RDWR, O_RDONLY } = constants;

class Forgotten extends RingRequest {
  complete() {}
}

function start(ring, prepare, flags = 0) {
  const request = new Forgotten();
  prepare(request);
  request.flags |= flags;
  ring.start(request);
}

// A thread that ends by itself is not kept alive by a ring without an event loop.
const ring = new ThreadRing({ cqEntries: 64, eventLoop: end !== 'natural' });
// Not earlier: koffi ends the process when a thread is terminated that is loading it, or making a view of a ring's memory.
parentPort.postMessage('open');
const direct = RingFile.open(readPath, O_RDONLY | O_DIRECT);
const cached = RingFile.open(readPath, O_RDONLY);
const written = RingFile.open(writePath, O_RDWR | O_DIRECT);
// Nobody writes into it.
const silent = RingFile.open(fifoPath, O_RDWR);

// So that the ring has it in its table.
for (let count = 0; count < 64; count++) start(ring, (request) => prepareRead(request, cached, IoBuffer.allocate(1), 0, 1, 0));
while (ring.inFlight > 0) ring.poll();
// On a bare descriptor, of which the ring keeps a duplicate.
start(ring, (request) => prepareRead(request, silent.fd, IoBuffer.allocate(4096), 0, 4096, -1), IOSQE_ASYNC);
for (let count = 0; count < 8; count++)
  start(ring, (request) => prepareRead(request, silent, IoBuffer.allocate(4096), 0, 4096, -1));
for (let count = 0; count < 4; count++) {
  const offset = ((seed + count) % 16) * LARGE;
  start(ring, (request) => prepareRead(request, direct, IoBuffer.allocate(LARGE), 0, LARGE, offset));
  start(ring, (request) => prepareRead(request, direct, IoBuffer.allocate(4096), 0, 4096, offset + count * 4096), IOSQE_ASYNC);
  start(ring, (request) => prepareRead(request, cached, IoBuffer.allocate(LARGE), 0, LARGE, offset), IOSQE_ASYNC);
  start(ring, (request) => prepareRead(request, cached, IoBuffer.allocate(65_536), 0, 65_536, offset));
  const memory = IoBuffer.allocate(65_536);
  memory.bytes.fill(0x77);
  start(ring, (request) => prepareWrite(request, written, memory, 0, 65_536, count * 65_536));
}
start(ring, (request) => prepareFsync(request, written));
ring.flush();
parentPort.postMessage('started');
if (end === 'exit') process.exit(0);
if (end === 'terminate') setInterval(() => {}, 1000);
