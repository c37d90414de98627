import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EADDRINUSE,
  IoBuffer,
  prepareAccept,
  prepareBind,
  prepareClose,
  prepareConnect,
  prepareListen,
  prepareNop,
  prepareRecv,
  prepareSend,
  prepareSocket,
  prepareUnlinkat,
  probe,
  RequestChain,
  RingFile,
  type RingRequest,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SocketAddress,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { failure, invalidValue, outOfRange } from './support/failure.js';
import { Pipe, Probe, prepared, settle } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { operations, reason, kernel } = probe();
const known = operations.has('bind') && operations.has('listen');
if (!known) console.warn(`bind and listen are not tested: ${reason ?? `Linux ${kernel} has no such operations`}`);

describe.skipIf(!known)('a server', () => {
  const folder = temporaryFolder();
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const memory = IoBuffer.allocate(4096);
  afterAll(() => ring.close());

  async function openSocket(domain: number, type = SOCK_STREAM): Promise<RingFile> {
    const fd = await ring.run((request) => prepareSocket(request, domain, type));
    return RingFile.adopt(fd, { path: `socket ${domain}`, native: true });
  }

  /** A port that was free a moment ago. */
  async function freePort(): Promise<number> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }

  /** Binds to a port that nobody has, as a server does that chooses its own. */
  async function bindToFreePort(socket: RingFile): Promise<number> {
    for (;;) {
      const port = await freePort();
      const bind = new Probe();
      prepareBind(bind, socket, { address: '127.0.0.1', port });
      ring.start(bind);
      settle(ring);
      if (bind.result === 0) return port;
      expect(bind.result).toBe(-EADDRINUSE);
    }
  }

  /** From the listening socket to the closed connection, with nothing but requests. */
  async function serve(listener: RingFile, domain: number, address: SocketAddress): Promise<void> {
    expect(await ring.run((request) => prepareListen(request, listener, 16))).toBe(0);
    const accepted = ring.run((request) => prepareAccept(request, listener));
    const client = await openSocket(domain);
    expect(await ring.run((request) => prepareConnect(request, client, address))).toBe(0);
    const connection = await accepted;
    memory.bytes.set(Buffer.from('question'));
    expect(await ring.run((request) => prepareSend(request, client, memory, 0, 8))).toBe(8);
    expect(await ring.run((request) => prepareRecv(request, connection, memory, 100, 1000))).toBe(8);
    expect(await ring.run((request) => prepareSend(request, connection, memory, 100, 8))).toBe(8);
    expect(await ring.run((request) => prepareRecv(request, client, memory, 200, 1000))).toBe(8);
    expect(Buffer.from(memory.bytes.subarray(200, 208)).toString()).toBe('question');
    // The client first, so that no port is kept.
    await client.close();
    expect(await ring.run((request) => prepareRecv(request, connection, memory, 0, 1000))).toBe(0);
    expect(await ring.run((request) => prepareClose(request, connection))).toBe(0);
    await listener.close();
  }

  it('listens, accepts, answers and closes: Unix', async () => {
    const path = join(folder, 'server');
    const listener = await openSocket(AF_UNIX);
    expect(await ring.run((request) => prepareBind(request, listener, { path }))).toBe(0);
    await serve(listener, AF_UNIX, { path });
    // The file outlives the socket.
    expect(existsSync(path)).toBe(true);
    expect(await ring.run((request) => prepareUnlinkat(request, path))).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('listens, accepts, answers and closes: IPv4', async () => {
    const listener = await openSocket(AF_INET);
    const port = await bindToFreePort(listener);
    await serve(listener, AF_INET, { address: '127.0.0.1', port });
  });

  it('binds to the address and the port that are said, of IPv6 too', async ({ skip }) => {
    const own = await openSocket(AF_INET6);
    const port = await freePort();
    try {
      await ring.run((request) => prepareBind(request, own, { address: '::1', port }));
    } catch (error) {
      await own.close();
      console.warn(`a server of IPv6 is not tested: ${(error as Error).message}`);
      return skip();
    }
    await serve(own, AF_INET6, { address: '::1', port });
  });

  it('is made in one chain', () => {
    const path = join(folder, 'chain');
    const socket = new Probe();
    prepareSocket(socket, AF_UNIX, SOCK_STREAM);
    ring.start(socket);
    settle(ring);
    const listener = RingFile.adopt(socket.result as number, { native: true });
    const steps = [
      prepared(prepareNop),
      prepared((request) => prepareBind(request, listener, { path })),
      prepared((request) => prepareListen(request, listener, 1)),
    ];
    ring.startChain(new RequestChain(steps));
    settle(ring);
    expect(steps.map(({ result }) => result)).toEqual([0, 0, 0]);
    return listener.close();
  });

  it('fails where the address is in use, or has no place', async () => {
    const [first, second] = [await openSocket(AF_INET), await openSocket(AF_INET)];
    const name = 'socket 2';
    const port = await bindToFreePort(first);
    const bind = (file: RingFile, address: SocketAddress): Promise<number> =>
      ring.run((request) => prepareBind(request, file, address));
    await expect(bind(second, { address: '127.0.0.1', port })).rejects.toEqual(failure('EADDRINUSE', 'bind', name));
    // It is bound already, or of another family.
    await expect(bind(first, { address: '127.0.0.1', port })).rejects.toEqual(failure('EINVAL', 'bind', name));
    await expect(bind(second, { path: join(folder, 'other') })).rejects.toMatchObject({ syscall: 'bind' });
    // Documentation's own, which no machine has.
    await expect(bind(second, { address: '203.0.113.7', port })).rejects.toEqual(failure('EADDRNOTAVAIL', 'bind', name));
    const local = await openSocket(AF_UNIX);
    const path = join(folder, 'taken');
    writeFileSync(path, '');
    await expect(bind(local, { path })).rejects.toEqual(failure('EADDRINUSE', 'bind', 'socket 1'));
    await expect(bind(local, { path: join(folder, 'missing', 'x') })).rejects.toEqual(failure('ENOENT', 'bind', 'socket 1'));
    for (const one of [first, second, local]) await one.close();
  });

  it('fails for what cannot listen', async () => {
    const listen = (file: RingFile): Promise<number> => ring.run((request) => prepareListen(request, file, 1));
    const datagrams = await openSocket(AF_INET, SOCK_DGRAM);
    await expect(listen(datagrams)).rejects.toMatchObject({ code: 'ENOTSUP', errno: -95, syscall: 'listen', path: 'socket 2' });
    const nameless = await openSocket(AF_UNIX);
    await expect(listen(nameless)).rejects.toEqual(failure('EINVAL', 'listen', 'socket 1'));
    const pipe = new Pipe();
    await expect(listen(pipe.input)).rejects.toEqual(failure('ENOTSOCK', 'listen', 'pipe'));
    const bind = ring.run((request) => prepareBind(request, pipe.input, { address: '127.0.0.1', port: 0 }));
    await expect(bind).rejects.toEqual(failure('ENOTSOCK', 'bind', 'pipe'));
    pipe.close();
    for (const one of [datagrams, nameless]) await one.close();
  });

  it('takes any backlog, up to the limit of the system', async () => {
    for (const backlog of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      const socket = await openSocket(AF_INET);
      expect(await ring.run((request: RingRequest) => prepareListen(request, socket, backlog))).toBe(0);
      await socket.close();
    }
  });
});

describe('what a server cannot be made with', () => {
  it.each([-1, 0.5, 2 ** 32, Number.NaN, undefined])('is refused at once: the backlog %s', (backlog) => {
    expect(() => prepareListen(new Probe(), 0, backlog as number)).toThrow(expect.objectContaining(outOfRange));
  });

  it('is refused at once: an address that is none', () => {
    const bind = (address: SocketAddress) => () => prepareBind(new Probe(), 0, address);
    expect(bind({ address: 'localhost', port: 1 })).toThrow(expect.objectContaining(invalidValue));
    expect(bind({ address: '127.0.0.1', port: 65_536 })).toThrow(expect.objectContaining(outOfRange));
    expect(bind({ path: 'x'.repeat(108) })).toThrow(expect.objectContaining(outOfRange));
  });
});
