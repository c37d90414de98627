import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  EBADF,
  ECANCELED,
  IOSQE_CQE_SKIP_SUCCESS,
  IOSQE_IO_HARDLINK,
  IoBuffer,
  prepareFdatasync,
  prepareLinkTimeout,
  prepareNop,
  prepareRead,
  prepareWrite,
  RequestChain,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { seededRandom } from './support/random.js';
import { nop, Pipe, type Probe, prepared, settle } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SKIP = IOSQE_CQE_SKIP_SUCCESS;
const HARD = IOSQE_IO_HARDLINK;

describeRing('a request that is silent if it succeeds', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(4096));
  const file = RingFile.open(path, 'r+');
  const buffer = IoBuffer.allocate(4096);
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 8, eventLoop: false });
  afterAll(async () => {
    ring.closeSync();
    await file.close();
  });

  function flagged(request: Probe, flags: number): Probe {
    request.flags |= flags;
    return request;
  }
  const failing = (): Probe => prepared((request) => prepareRead(request, -1, buffer, 0, 10, 0));

  function resultsOf(...requests: Probe[]): number[][] {
    ring.startChain(new RequestChain(requests));
    settle(ring);
    expect(requests.every(({ started, slot, chain }) => !started && slot === -1 && chain === null)).toBe(true);
    return requests.map(({ results }) => results);
  }

  it('completes nothing, and gives its place and its file back with the member that speaks', () => {
    const members = [
      prepared((request) => prepareWrite(request, file, buffer, 0, 4096, 0)),
      prepared((request) => prepareFdatasync(request, file)),
    ] as const;
    const [write, sync] = members;
    for (let round = 0; round < 3000; round++) {
      prepareWrite(write, file, buffer, 0, 512, 0);
      write.flags |= SKIP;
      if (round % 100 === 0) prepareFdatasync(sync, file);
      else prepareNop(sync);
      ring.startChain(new RequestChain(members));
      if (round % 3 === 0) settle(ring);
      else while (sync.started) ring.wait(10_000);
    }
    settle(ring);
    expect(write.results).toEqual([]);
    expect(sync.results).toEqual(Array.from({ length: 3000 }, () => 0));
    expect([ring.inFlight, file.references]).toEqual([0, 0]);
    expect(ring.ring.statistics().inFlightMax).toBeLessThanOrEqual(8);
  });

  it('that fails says so, and the others are cancelled once', () => {
    expect(resultsOf(flagged(failing(), SKIP), nop(), nop())).toEqual([[-EBADF], [-ECANCELED], [-ECANCELED]]);
    const members = [flagged(nop(), SKIP), flagged(failing(), SKIP), flagged(nop(), SKIP), nop()];
    expect(resultsOf(...members)).toEqual([[], [-EBADF], [-ECANCELED], [-ECANCELED]]);
  });

  it('has followers that hear of the failure of one that speaks', () => {
    expect(resultsOf(flagged(nop(), SKIP), failing(), nop(), nop())).toEqual([[], [-EBADF], [-ECANCELED], [-ECANCELED]]);
  });

  it('with a hard link lets the others run whatever it comes to', () => {
    expect(resultsOf(flagged(nop(), SKIP | HARD), nop())).toEqual([[], [0]]);
    expect(resultsOf(flagged(failing(), SKIP | HARD), nop(), nop())).toEqual([[-EBADF], [0], [0]]);
    const mixed = [flagged(failing(), HARD), flagged(nop(), SKIP | HARD), flagged(failing(), SKIP), nop(), nop()];
    expect(resultsOf(...mixed)).toEqual([[-EBADF], [], [-EBADF], [-ECANCELED], [-ECANCELED]]);
  });

  it('that is cancelled says so', () => {
    const pipe = new Pipe();
    const read = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const members = [flagged(read, SKIP), nop()];
    ring.startChain(new RequestChain(members));
    ring.flush();
    ring.cancel(read);
    settle(ring);
    expect(members.map(({ result }) => result)).toEqual([-ECANCELED, -ECANCELED]);
    pipe.close();
  });

  it('is refused where its success would be known to nobody', () => {
    const invalid = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    const refused = (...requests: Probe[]): void => {
      expect(() => ring.startChain(new RequestChain(requests))).toThrow(invalid);
      expect(requests.every(({ started, chain }) => !started && chain === null)).toBe(true);
    };
    refused(nop(), flagged(nop(), SKIP));
    refused(
      flagged(nop(), SKIP),
      nop(),
      prepared((request) => prepareLinkTimeout(request, 1000)),
    );
    // Whether the second failed by itself or with the first could not be told apart, nor whether the third is told.
    refused(failing(), flagged(nop(), SKIP), nop());
    expect(() => ring.start(flagged(nop(), SKIP))).toThrow(invalid);
    expect(ring.inFlight).toBe(0);
  });

  it('does not make a wait for several completions last for ever', () => {
    const started = [0, 1].map(() => [flagged(nop(), SKIP), flagged(failing(), SKIP), nop()]);
    for (const members of started) ring.startChain(new RequestChain(members));
    expect(ring.submitAndWait(100, 10_000)).toBe(4);
    expect(ring.inFlight).toBe(0);
  });

  it('leaves each loud member with one completion in random chains', () => {
    const random = seededRandom('skip-success');
    for (let round = 0; round < 4000; round++) {
      const length = 2 + random(6);
      const requests: Probe[] = [];
      // The index from which on the members are soft and loud.
      const told = random(length);
      for (let index = 0; index < length; index++) {
        const request = random(4) === 0 ? failing() : nop();
        const soft = index > told || random(2) === 0;
        const silent = index < told && index < length - 1 && (soft || random(2) === 0);
        requests.push(flagged(request, (silent ? SKIP : 0) | (soft ? 0 : HARD)));
      }
      const failures = requests.map(({ opcode }) => opcode !== 0);
      let broken = false;
      const expected = requests.map(({ flags }, index) => {
        if (broken) return [-ECANCELED];
        broken = failures[index] === true && (flags & HARD) === 0;
        if (failures[index] === true) return [-EBADF];
        return (flags & SKIP) === 0 ? [0] : [];
      });
      expect(resultsOf(...requests), `round ${round}`).toEqual(expected);
    }
    expect(ring.inFlight).toBe(0);
  });
});
