import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IOSQE_ASYNC,
  IoBuffer,
  MSG_WAITALL,
  prepareClose,
  prepareConnect,
  prepareNop,
  prepareRecv,
  prepareSend,
  prepareShutdown,
  prepareSocket,
  RequestChain,
  RingFile,
  type RingRequest,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SocketAddress,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure, invalidValue, outOfRange } from './support/failure.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** Echoes, and closes when the other side does. */
async function echoServer(where: { host: string; port: number } | { path: string }): Promise<Server | null> {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  server.listen(where);
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ('host' in where && where.host === '::1') return null;
    throw error;
  }
}

describeRing('sockets', () => {
  const folder = temporaryFolder();
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const memory = IoBuffer.allocate(65_536);
  afterAll(() => ring.close());

  async function openSocket(domain: number, type = SOCK_STREAM): Promise<RingFile> {
    const fd = await ring.run((request) => prepareSocket(request, domain, type));
    return RingFile.adopt(fd, { path: `socket ${domain}`, native: true });
  }

  /** Connects, sends, shuts its side down, and receives what the server has sent back. */
  async function exchange(domain: number, address: SocketAddress): Promise<void> {
    const socket = await openSocket(domain);
    expect(await ring.run((request) => prepareConnect(request, socket, address))).toBe(0);
    memory.bytes.set(Buffer.from('to the server'));
    expect(await ring.run((request) => prepareSend(request, socket, memory, 3, 10))).toBe(10);
    expect(await ring.run((request) => prepareShutdown(request, socket, SHUT_WR))).toBe(0);
    expect(await ring.run((request) => prepareRecv(request, socket, memory, 100, 1000, MSG_WAITALL))).toBe(10);
    expect(Buffer.from(memory.bytes.subarray(100, 110)).toString()).toBe('the server');
    expect(await ring.run((request) => prepareRecv(request, socket, memory, 0, 1000))).toBe(0);
    const after = ring.run((request) => prepareSend(request, socket, memory, 0, 10));
    // And the process is alive: no SIGPIPE.
    await expect(after).rejects.toEqual(failure('EPIPE', 'send', `socket ${domain}`));
    await socket.close();
  }

  it('connect, send, receive and shut down: IPv4', async () => {
    const server = (await echoServer({ host: '127.0.0.1', port: 0 })) as Server;
    await exchange(AF_INET, { address: '127.0.0.1', port: (server.address() as AddressInfo).port });
    server.close();
  });

  it('connect, send, receive and shut down: IPv6', async ({ skip }) => {
    const server = await echoServer({ host: '::1', port: 0 });
    if (server === null) {
      console.warn('IPv6 is not tested: there is no ::1 here');
      return skip();
    }
    const { port } = server.address() as AddressInfo;
    for (const address of ['::1', '0:0:0:0:0:0:0:1', '0::1', '::0.0.0.1']) await exchange(AF_INET6, { address, port });
    server.close();
  });

  it('connect, send, receive and shut down: Unix', async () => {
    const path = join(folder, 'socket');
    const server = (await echoServer({ path })) as Server;
    await exchange(AF_UNIX, { path });
    server.close();
  });

  it('send and receive more than fits at once', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = await openSocket(AF_INET);
    const connection = once(server, 'connection');
    await ring.run((request) =>
      prepareConnect(request, socket, { address: '127.0.0.1', port: (server.address() as AddressInfo).port }),
    );
    const [peer] = await connection;
    const received = text(peer);
    memory.bytes.fill(120);
    let sent = 0;
    for (let round = 0; round < 50; round++) sent += await ring.run((request) => prepareSend(request, socket, memory, 0, 65_536));
    await ring.run((request) => prepareShutdown(request, socket, SHUT_RDWR));
    expect((await received).length).toBe(sent);
    await socket.close();
    server.close();
  });

  it('fail with the errors of their calls', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const socket = await openSocket(AF_INET);
    const name = 'socket 2';
    await expect(ring.run((request) => prepareRecv(request, socket, memory, 0, 1))).rejects.toEqual(
      failure('ENOTCONN', 'recv', name),
    );
    await expect(ring.run((request) => prepareShutdown(request, socket, SHUT_WR))).rejects.toEqual(
      failure('ENOTCONN', 'shutdown', name),
    );
    await expect(ring.run((request) => prepareConnect(request, socket, { address: '127.0.0.1', port }))).rejects.toEqual(
      failure('ECONNREFUSED', 'connect', name),
    );
    await socket.close();
    const local = await openSocket(AF_UNIX);
    await expect(ring.run((request) => prepareConnect(request, local, { path: join(folder, 'nobody') }))).rejects.toEqual(
      failure('ENOENT', 'connect', 'socket 1'),
    );
    await expect(ring.run((request) => prepareConnect(request, local, { address: '127.0.0.1', port }))).rejects.toEqual(
      failure('EINVAL', 'connect', 'socket 1'),
    );
    await local.close();
    const pipe = new Pipe();
    for (const [prepare, syscall] of [
      [(request: RingRequest) => prepareSend(request, pipe.input, memory, 0, 1), 'send'],
      [(request: RingRequest) => prepareRecv(request, pipe.input, memory, 0, 1), 'recv'],
      [(request: RingRequest) => prepareShutdown(request, pipe.input, SHUT_WR), 'shutdown'],
      [(request: RingRequest) => prepareConnect(request, pipe.input, { address: '127.0.0.1', port }), 'connect'],
    ] as const) {
      await expect(ring.run(prepare)).rejects.toEqual(failure('ENOTSOCK', syscall, 'pipe'));
    }
    pipe.close();
    await expect(ring.run((request) => prepareSocket(request, 999, SOCK_STREAM))).rejects.toEqual(
      failure('EAFNOSUPPORT', 'socket'),
    );
    await expect(ring.run((request) => prepareSocket(request, AF_UNIX, SOCK_DGRAM, 99))).rejects.toMatchObject({
      syscall: 'socket',
    });
  });

  it('are made and closed in a chain, by a worker thread of the kernel, and behind a request that drains', async () => {
    const made = [new Probe(), new Probe()];
    const [asynchronous, linked] = made as [Probe, Probe];
    prepareSocket(asynchronous, AF_INET, SOCK_STREAM);
    asynchronous.flags |= IOSQE_ASYNC;
    ring.start(asynchronous);
    const first = new Probe();
    prepareNop(first);
    prepareSocket(linked, AF_INET, SOCK_STREAM);
    ring.startChain(new RequestChain([first, linked]));
    while (ring.inFlight > 0) ring.wait(10_000);
    const descriptors = made.map(({ result }) => result as number);
    for (const fd of descriptors) expect(fd).toBeGreaterThanOrEqual(0);

    const closes = [new Probe(), new Probe()];
    for (const [index, close] of closes.entries()) prepareClose(close, descriptors[index] as number);
    (closes[0] as Probe).flags |= IOSQE_ASYNC;
    ring.start(closes[0] as Probe);
    prepareNop(first);
    ring.startChain(new RequestChain([first, closes[1] as Probe]));
    while (ring.inFlight > 0) ring.wait(10_000);
    expect(closes.map(({ result }) => result)).toEqual([0, 0]);
    // They are closed indeed.
    for (const fd of descriptors)
      await expect(ring.run((request) => prepareClose(request, fd))).rejects.toMatchObject({ code: 'EBADF' });
  });
});

describe('an address that is none', () => {
  const request = new Probe();
  it.each(['', 'localhost', '127.0.0', '256.0.0.1', '1.2.3.4.5', '1.2..3', ' 127.0.0.1', '127.0.0.1/8', '::g', '[::1]'])(
    'is refused at once: %s',
    (address) => {
      expect(() => prepareConnect(request, 0, { address, port: 1 })).toThrow(expect.objectContaining(invalidValue));
    },
  );

  it.each([-1, 65_536, 0.5, Number.NaN, '80'])('neither is a port: %s', (port) => {
    const address = { address: '127.0.0.1', port: port as number };
    expect(() => prepareConnect(request, 0, address)).toThrow(expect.objectContaining(outOfRange));
  });

  it('nor a path that is too long, or has a null byte within', () => {
    expect(() => prepareConnect(request, 0, { path: 'x'.repeat(108) })).toThrow(expect.objectContaining(outOfRange));
    expect(() => prepareConnect(request, 0, { path: 'ä'.repeat(54) })).toThrow(expect.objectContaining(outOfRange));
    // The kernel would take the name's beginning for the name.
    expect(() => prepareConnect(request, 0, { path: 'a\0b' })).toThrow(expect.objectContaining(invalidValue));
    prepareConnect(request, 0, { path: 'x'.repeat(107) });
  });
});
