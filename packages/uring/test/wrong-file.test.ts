import { closeSync, constants, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AF_INET,
  IOSQE_ASYNC,
  IoBuffer,
  prepareFsync,
  prepareFtruncate,
  prepareNop,
  prepareRead,
  prepareShutdown,
  prepareSocket,
  prepareWrite,
  RingFile,
  SOCK_STREAM,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { seededRandom } from './support/random.js';
import { Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { O_DIRECT, O_RDWR } = constants;
const BLOCK = 512;
const BLOCKS = 64;
const OPERATIONS = 100_000;
const IN_FLIGHT = 40;
const EAGAIN = -11;

/** A read or a write of one block, which knows which file it is meant for. */
class Transfer extends Probe {
  readonly memory512 = IoBuffer.allocate(BLOCK, BLOCK);
  letter = 0;
  writes = false;
}

describeRing('a descriptor that is closed while requests are under way', () => {
  const folder = temporaryFolder();
  const random = seededRandom('wrong-file');
  // Each is full of a letter of its own.
  const letters = ['A', 'B', 'C', 'D'];
  const paths = letters.map((letter) => {
    const path = join(folder, letter);
    writeFileSync(path, letter.repeat(BLOCK * BLOCKS));
    return path;
  });
  // Smaller than what is started at a time, so that requests on a RingFile wait.
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const roomy = new ThreadRing({ sqEntries: 8, cqEntries: 128 });
  afterAll(async () => {
    await ring.close();
    await roomy.close();
  });

  function expectOnlyOwnLetters(): void {
    for (const [index, path] of paths.entries()) {
      const wrong = readFileSync(path).filter((byte) => byte !== letters[index]?.charCodeAt(0)).length;
      expect(wrong, `bytes of other files in ${path}`).toBe(0);
      expect(readFileSync(path).length).toBe(BLOCK * BLOCKS);
    }
  }

  /** Prepares a transfer, in one of the ways in which the kernel may look the descriptor up. */
  function prepare(transfer: Transfer, target: RingFile | number, file: number, writes: boolean): void {
    transfer.results.length = 0;
    transfer.letter = letters[file]?.charCodeAt(0) as number;
    transfer.writes = writes;
    transfer.memory512.bytes.fill(writes ? transfer.letter : 0);
    const transferOf = writes ? prepareWrite : prepareRead;
    transferOf(transfer, target, transfer.memory512, 0, BLOCK, random(BLOCKS) * BLOCK);
    if (random(4) === 0) transfer.flags |= IOSQE_ASYNC;
  }

  /** Counts a completed transfer, or one that the ring had no room for, and looks at what it read. */
  function check(transfer: Transfer): number {
    if (transfer.result === EAGAIN) return 0;
    expect(transfer.result).toBe(BLOCK);
    if (!transfer.writes && !transfer.memory512.bytes.every((byte) => byte === transfer.letter))
      throw new Error('the wrong file was read');
    return 1;
  }

  it.each(['reads', 'writes'])(
    'leaves 100,000 %s with the file of their RingFile',
    async (kind) => {
      const transfers = Array.from({ length: IN_FLIGHT }, () => new Transfer());
      const numbers = new Set<number>();
      let done = 0;
      for (let _round = 0; done < OPERATIONS; _round++) {
        const index = random(paths.length);
        const file = RingFile.open(paths[index] as string, random(2) === 0 ? O_RDWR : O_RDWR | O_DIRECT);
        numbers.add(file.fd);
        for (const transfer of transfers) {
          prepare(transfer, file, index, kind === 'writes');
          ring.start(transfer);
        }
        const closed = file.close();
        // Takes the lowest number that is free.
        const other = RingFile.open(paths[(index + 1) % paths.length] as string, O_RDWR);
        while (transfers.some(({ started }) => started)) ring.wait(10_000);
        for (const transfer of transfers) done += check(transfer);
        await Promise.all([closed, other.close()]);
      }
      expect(numbers.size).toBeLessThan(100);
      expectOnlyOwnLetters();
    },
    120_000,
  );

  it.each(['reads', 'writes'])(
    'leaves 100,000 %s with the file that its number was when they were started',
    async (kind) => {
      const transfers = Array.from({ length: IN_FLIGHT }, () => new Transfer());
      let done = 0;
      let reused = 0;
      while (done < OPERATIONS) {
        const index = random(paths.length);
        const fd = openSync(paths[index] as string, random(2) === 0 ? O_RDWR : O_RDWR | O_DIRECT);
        for (const transfer of transfers) prepare(transfer, fd, index, kind === 'writes');
        if (random(2) === 0) roomy.startAll(transfers);
        else for (const transfer of transfers) roomy.start(transfer);
        closeSync(fd);
        const other = openSync(paths[(index + 1) % paths.length] as string, O_RDWR);
        if (other === fd) reused += 1;
        while (roomy.inFlight > 0) roomy.wait(10_000);
        for (const transfer of transfers) done += check(transfer);
        closeSync(other);
        if (random(100) === 0) await new Promise(setImmediate);
      }
      // Otherwise the test has tested nothing.
      expect(reused).toBeGreaterThan(OPERATIONS / IN_FLIGHT / 2);
      expectOnlyOwnLetters();
    },
    120_000,
  );

  it('has fsync and ftruncate by worker threads of the kernel done to the file that the number was', () => {
    const victim = join(folder, 'victim');
    const target = join(folder, 'target');
    writeFileSync(victim, 'v'.repeat(4096));
    writeFileSync(target, 't'.repeat(4096));
    let reused = 0;
    for (let round = 0; round < 2000; round++) {
      const fd = openSync(target, 'r+');
      const requests = [new Probe(), new Probe(), new Probe(), new Probe()] as const;
      const length = random(100_000);
      prepareFtruncate(requests[0], fd, 1);
      prepareFtruncate(requests[1], fd, length);
      prepareFsync(requests[2], fd);
      prepareNop(requests[3]);
      requests[3].flags |= IOSQE_ASYNC;
      if (round % 2 === 0) roomy.startAll(requests);
      else for (const request of requests) roomy.start(request);
      closeSync(fd);
      const other = openSync(victim, 'r+');
      if (other === fd) reused += 1;
      while (roomy.inFlight > 0) roomy.wait(10_000);
      expect(requests.map(({ result }) => result)).toEqual([0, 0, 0, 0]);
      expect(fstatSync(other).size).toBe(4096);
      closeSync(other);
    }
    expect(reused).toBeGreaterThan(1000);
    expect(readFileSync(victim, 'utf8')).toBe('v'.repeat(4096));
  }, 60_000);

  it('has an fsync fail as for the file that the number was, although the number is another one', () => {
    const path = join(folder, 'fsync');
    writeFileSync(path, '');
    for (let round = 0; round < 500; round++) {
      const fd = openSync('/proc/self/mounts', 'r');
      const request = new Probe();
      prepareFsync(request, fd);
      roomy.start(request);
      closeSync(fd);
      const other = openSync(path, 'r+');
      while (roomy.inFlight > 0) roomy.wait(10_000);
      // There is nothing to write out of a file in /proc, and the kernel says so.
      expect(request.result).toBe(-22);
      closeSync(other);
    }
  });

  it('has the socket shut down that the number was, and no other', async () => {
    const socketOf = (): Promise<number> => ring.run((request) => prepareSocket(request, AF_INET, SOCK_STREAM));
    let reused = 0;
    for (let round = 0; round < 500; round++) {
      const fd = await socketOf();
      const request = new Probe();
      // A socket that is not connected: ENOTCONN. What is open under the number next is no socket: that would be ENOTSOCK.
      prepareShutdown(request, fd, 2);
      roomy.start(request);
      closeSync(fd);
      const other = openSync(paths[0] as string, 'r');
      if (other === fd) reused += 1;
      while (roomy.inFlight > 0) roomy.wait(10_000);
      closeSync(other);
      expect(request.result).toBe(-107);
    }
    expect(reused).toBeGreaterThan(250);
  });
});
