import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { type NetworkInterfaceInfoIPv6, networkInterfaces } from 'node:os';
import { AF_INET6, prepareBind, prepareConnect, prepareSocket, probe, RingFile, SOCK_STREAM, ThreadRing } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { invalidValue } from './support/failure.js';
import { Probe } from './support/requests.js';

/** What the kernel gets: the flow information and the address of `struct sockaddr_in6`, and its scope id. */
function encoded(address: string): { host: string; scope: number } {
  const request = new Probe();
  prepareConnect(request, 0, { address, port: 0x1234 });
  expect(request.offset).toBe(28);
  const bytes = Buffer.from(request.argument?.bytes.subarray(0, 28) as Uint8Array);
  return { host: bytes.toString('hex', 0, 24), scope: bytes.readUInt32LE(24) };
}

function hasLoopback(): boolean {
  try {
    return readFileSync('/proc/net/if_inet6', 'latin1').includes(' lo\n');
  } catch {
    return false;
  }
}

/** The link-local addresses of this machine. */
const local = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
  addresses
    .filter((one): one is NetworkInterfaceInfoIPv6 => one.family === 'IPv6' && one.scopeid > 0)
    .map(({ address, scopeid }) => ({ name, address, scopeid })),
);
if (!hasLoopback()) console.warn('the zone lo is not tested: it has no IPv6 here');
if (local.length === 0) console.warn('the zones of link-local addresses are not tested: there are none here');

describe('the zone of an IPv6 address', () => {
  it('is a number, and 0 where there is none', () => {
    const { host } = encoded('fe80::1');
    expect(host).toBe(`0a001234${'00000000'}fe80${'0'.repeat(27)}1`);
    for (const [zone, scope] of [
      ['', 0],
      ['%0', 0],
      ['%7', 7],
      ['%66051', 0x10203],
      ['%4294967295', 2 ** 32 - 1],
    ] as const) {
      expect(encoded(`fe80::1${zone}`)).toEqual({ host, scope });
    }
  });

  it('does not stay in a request that is prepared with another address', () => {
    const request = new Probe();
    prepareConnect(request, 0, { address: 'fe80::1%7', port: 1 });
    prepareBind(request, 0, { address: 'fe80::1', port: 1 });
    expect([...(request.argument?.bytes.subarray(24, 28) ?? [])]).toEqual([0, 0, 0, 0]);
  });

  it.skipIf(!hasLoopback())('is the name of an interface, also of one without a link-local address', () => {
    // The first interface of every network namespace.
    expect(encoded('fe80::1%lo').scope).toBe(1);
  });

  it.skipIf(local.length === 0)('is the index of the interface, as Node has it', () => {
    for (const { name, address, scopeid } of local) expect(encoded(`${address}%${name}`).scope).toBe(scopeid);
  });

  it.each(['fe80::1%', 'fe80::1%no-such-zone', 'fe80::1%lo2%lo', 'fe80::1%4294967296', 'fe80::1%-1', 'fe80::1%0x1'])(
    'is refused at once where it is unknown: %s',
    (address) => {
      const refused = expect.objectContaining({ ...invalidValue, message: expect.stringContaining(JSON.stringify(address)) });
      const zone = JSON.stringify(address.slice(address.indexOf('%') + 1));
      for (const prepare of [prepareConnect, prepareBind]) {
        const call = (): void => prepare(new Probe(), 0, { address, port: 1 });
        expect(call).toThrow(refused);
        expect(call).toThrow(zone);
      }
    },
  );

  it.each(['127.0.0.1%1', '::g%1', '%1'])('does not make an address of what is none: %s', (address) => {
    expect(() => encoded(address)).toThrow(expect.objectContaining(invalidValue));
  });

  it.skipIf(local.length === 0 || !probe().available)('reaches a server at a link-local address', async () => {
    const server = createServer((socket) => socket.end());
    server.listen(0, '::');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ring = new ThreadRing();
    for (const { name, address, scopeid } of local) {
      for (const [zone, wanted] of [
        [`%${name}`, 0],
        [`%${scopeid}`, 0],
        ['', 'EINVAL'],
      ] as const) {
        const file = RingFile.adopt(await ring.run((request) => prepareSocket(request, AF_INET6, SOCK_STREAM)), { native: true });
        const result = ring.run((request) => prepareConnect(request, file, { address: address + zone, port }));
        expect(await result.catch(({ code }) => code)).toBe(wanted);
        await file.close();
      }
    }
    await ring.close();
    server.close();
  });
});
