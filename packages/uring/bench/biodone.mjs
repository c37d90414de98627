import { constants } from 'node:fs';
import { IoBuffer, prepareRead, prepareReadFixed, RingFile, RingRequest, ThreadRing } from '@biodone/uring';

/** One of the reads in flight: it starts again when it has completed, from its own callback. */
class Read extends RingRequest {
  #slot;
  #load;

  constructor(slot, load) {
    super();
    this.#slot = slot;
    this.#load = load;
  }

  begin() {
    const { prepare, ring, recorder, file, memory, blockBytes } = this.#load;
    prepare(this, file, memory, this.#slot * blockBytes, blockBytes, recorder.nextOffset());
    ring.start(this);
  }

  complete(result) {
    const load = this.#load;
    if (load.recorder.complete(this.#slot, result)) this.begin();
    else if (--load.left === 0) load.resolve();
  }
}

/**
 * This package, as its documentation shows it: a request for each read in flight, completions by the event loop, the options that a ring
 * has by default. With `registered`, the file and the memory are in the ring's tables; with `noAccessTime`, reads leave the file's time of last access
 * alone, which the packages above ask for.
 */
export async function biodone({ path, depth, direct, registered, noAccessTime, blockBytes }, recorder, ringOptions = {}) {
  const tables = registered ? { fileTableEntries: 1, bufferTableEntries: 1 } : {};
  const ring = new ThreadRing({ ...tables, ...ringOptions });
  const flags = constants.O_RDONLY | (direct ? constants.O_DIRECT : 0) | (noAccessTime ? constants.O_NOATIME : 0);
  const opened = RingFile.open(path, flags);
  const allocated = IoBuffer.allocate(depth * blockBytes);
  const file = registered ? ring.ring.files.set(0, opened) : opened;
  const memory = registered ? ring.ring.buffers.set(0, allocated) : allocated;
  const prepare = registered ? prepareReadFixed : prepareRead;
  await new Promise((resolve) => {
    const load = { ring, recorder, file, memory, blockBytes, prepare, resolve, left: depth };
    const reads = Array.from({ length: depth }, (_, slot) => new Read(slot, load));
    recorder.begin();
    for (const read of reads) read.begin();
  });
  await ring.close();
  await opened.close();
}
