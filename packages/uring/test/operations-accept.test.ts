import { once } from 'node:events';
import { connect } from 'node:net';
import {
  AF_INET,
  ECANCELED,
  EINVAL,
  IORING_CQE_F_MORE,
  IoBuffer,
  prepareAccept,
  prepareRecv,
  prepareShutdown,
  prepareSocket,
  RingFile,
  RingRequest,
  SHUT_RDWR,
  SOCK_STREAM,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure } from './support/failure.js';
import { listenOn } from './support/listener.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** Adopts each connection, and tells how many there are. */
class Accept extends RingRequest {
  readonly connections: RingFile[] = [];
  failure = 0;
  lastHasMore = false;
  #wanted = 0;
  #resolve: () => void = () => {};

  override complete(result: number, flags: number): void {
    if (result >= 0) this.connections.push(RingFile.adopt(result, { native: true }));
    else this.failure = result;
    this.lastHasMore = (flags & IORING_CQE_F_MORE) !== 0;
    if (this.connections.length >= this.#wanted || this.failure !== 0) this.#resolve();
  }

  until(count: number): Promise<void> {
    this.#wanted = count;
    return this.connections.length >= count || this.failure !== 0
      ? Promise.resolve()
      : new Promise((resolve) => (this.#resolve = resolve));
  }
}

describeRing('prepareAccept', () => {
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const memory = IoBuffer.allocate(4096);
  afterAll(() => ring.close());

  async function listener(): Promise<{ file: RingFile; port: number }> {
    const fd = await ring.run((request) => prepareSocket(request, AF_INET, SOCK_STREAM));
    return { file: RingFile.adopt(fd, { path: 'listener', native: true }), port: listenOn(fd) };
  }

  it('gives the descriptor of one connection', async () => {
    const { file, port } = await listener();
    const accepted = ring.run((request) => prepareAccept(request, file));
    const client = connect(port, '127.0.0.1');
    client.end('hello');
    const fd = await accepted;
    const connection = RingFile.adopt(fd, { native: true });
    const count = await ring.run((request) => prepareRecv(request, connection, memory, 0, 100));
    expect(Buffer.from(memory.bytes.subarray(0, count)).toString()).toBe('hello');
    await connection.close();
    client.destroy();
    await file.close();
  });

  it('goes on for one connection after another, until it is cancelled', async () => {
    const { file, port } = await listener();
    const accept = new Accept();
    prepareAccept(accept, file, { multishot: true });
    ring.start(accept);
    const clients = Array.from({ length: 10 }, () => connect(port, '127.0.0.1'));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    await accept.until(10);
    expect(new Set(accept.connections.map(({ fd }) => fd)).size).toBe(10);
    expect([accept.lastHasMore, accept.started, file.references]).toEqual([true, true, 1]);
    // Ends when the last request is done, and not before.
    let closed = false;
    const closing = file.close().then(() => (closed = true));
    await new Promise(setImmediate);
    expect(closed).toBe(false);
    ring.cancel(accept);
    await closing;
    expect([accept.failure, accept.lastHasMore, accept.started]).toEqual([-ECANCELED, false, false]);
    for (const connection of accept.connections) await connection.close();
    for (const client of clients) client.destroy();
  });

  it('ends with EINVAL when the socket is shut down', async () => {
    const { file } = await listener();
    const accept = new Accept();
    prepareAccept(accept, file, { multishot: true });
    ring.start(accept);
    await ring.run((request) => prepareShutdown(request, file, SHUT_RDWR));
    await accept.until(1);
    expect([accept.failure, accept.started]).toEqual([-EINVAL, false]);
    await file.close();
  });

  it('fails for what does not listen', async () => {
    const fd = await ring.run((request) => prepareSocket(request, AF_INET, SOCK_STREAM));
    const socket = RingFile.adopt(fd, { path: 'socket', native: true });
    await expect(ring.run((request) => prepareAccept(request, socket))).rejects.toEqual(failure('EINVAL', 'accept', 'socket'));
    await socket.close();
    const folder = RingFile.open(folderPath);
    await expect(ring.run((request) => prepareAccept(request, folder))).rejects.toEqual(
      failure('ENOTSOCK', 'accept', folderPath),
    );
    await folder.close();
  });

  const folderPath = temporaryFolder();
});
