import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  IOSQE_IO_DRAIN,
  IoBuffer,
  prepareNop,
  prepareRead,
  RequestChain,
  RingFile,
  type SystemError,
  ThreadRing,
} from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const ROUNDS = 150;
/** After a drain, or a chain with one, the kernel runs the next request or two in a thread of its own, which looks for their files there. */
const DRAINS = [
  (ring: ThreadRing): Probe => {
    const drain = new Probe();
    prepareNop(drain);
    drain.flags |= IOSQE_IO_DRAIN;
    ring.start(drain);
    return drain;
  },
  (ring: ThreadRing): Probe => {
    const members = [new Probe(), new Probe()] as const;
    for (const member of members) prepareNop(member);
    members[0].flags |= IOSQE_IO_DRAIN;
    ring.startChain(new RequestChain(members));
    return members[1];
  },
];

describeRing('what comes after a drain', () => {
  const folder = temporaryFolder();
  const [right, wrong] = [join(folder, 'right'), join(folder, 'wrong')];
  writeFileSync(right, 'r');
  writeFileSync(wrong, 'w');
  const memory = IoBuffer.allocate(16);

  function finish(ring: ThreadRing, request: Probe): void {
    while (request.started) ring.wait(10_000);
  }

  it.each([0, 1, 2])('reads its own file by a bare descriptor, %s requests later', (later) => {
    const ring = new ThreadRing({ eventLoop: false });
    const read = new Probe();
    for (let round = 0; round < ROUNDS; round++) {
      finish(ring, (DRAINS[round % 2] as (typeof DRAINS)[0])(ring));
      for (let count = 0; count < later; count++) {
        prepareNop(read);
        ring.start(read);
        finish(ring, read);
      }
      const fd = openSync(right, 'r');
      prepareRead(read, fd, memory, 0, 1, 0);
      ring.start(read);
      closeSync(fd);
      expect(openSync(wrong, 'r')).toBe(fd);
      finish(ring, read);
      closeSync(fd);
      expect(String.fromCharCode(memory.bytes[0] as number)).toBe('r');
    }
    ring.closeSync();
  });

  it('reads its own file by a registered one, or that is not replaced', async () => {
    const ring = new ThreadRing({ eventLoop: false, fileTableEntries: 1 });
    const files = [RingFile.open(right), RingFile.open(wrong)] as const;
    const read = new Probe();
    for (let round = 0; round < ROUNDS; round++) {
      finish(ring, (DRAINS[round % 2] as (typeof DRAINS)[0])(ring));
      prepareRead(read, ring.files.set(0, files[0]), memory, 0, 1, 0);
      ring.start(read);
      ring.flush();
      try {
        ring.files.set(0, files[1]);
      } catch (error) {
        expect((error as SystemError).code).toBe('EBUSY');
      }
      finish(ring, read);
      expect([read.results.at(-1), String.fromCharCode(memory.bytes[0] as number)]).toEqual([1, 'r']);
    }
    ring.closeSync();
    for (const file of files) await file.close();
  });
});
