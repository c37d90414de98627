import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import type { IoBuffer } from '../memory.js';
import type { FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import {
  IORING_OP_ACCEPT,
  IORING_OP_BIND,
  IORING_OP_CONNECT,
  IORING_OP_LISTEN,
  IORING_OP_RECV,
  IORING_OP_SEND,
  IORING_OP_SHUTDOWN,
  IORING_OP_SOCKET,
} from './abi.js';
import { argumentOf } from './argument.js';
import { IORING_ACCEPT_MULTISHOT } from './multishot.js';
import { checkWord, outOfRange, prepareOnFile, prepareTransfer, prepareWithoutFile } from './prepare.js';

/** From include/linux/socket.h and include/linux/net.h. */
export const AF_UNIX: number = 1;
export const AF_INET: number = 2;
export const AF_INET6: number = 10;
export const SOCK_STREAM: number = 1;
export const SOCK_DGRAM: number = 2;
export const SHUT_RD: number = 0;
export const SHUT_WR: number = 1;
export const SHUT_RDWR: number = 2;
/** For {@link prepareRecv}: waits for all of the bytes. */
export const MSG_WAITALL: number = 0x100;
/** For {@link prepareSend}: a closed connection is EPIPE alone, and no SIGPIPE. Set in any case. */
export const MSG_NOSIGNAL: number = 0x4000;

const SOCK_CLOEXEC = 0x80000;

/**
 * Where a socket connects to, or is bound to: an address and a port, or the path of a Unix socket. An IPv6 address can have a zone, an
 * interface's name or index, which a link-local one needs: `fe80::1%eth0`.
 */
export type SocketAddress = { readonly address: string; readonly port: number } | { readonly path: string };

/** As socket(2), Linux 5.19: completes with the new descriptor, which is closed by an exec. Fails with EAFNOSUPPORT, EMFILE, EACCES. */
export function prepareSocket(request: RingRequest, domain: number, type: number, protocol = 0): void {
  // The entry's `fd` is the domain, its `off` the type and its `len` the protocol.
  prepareWithoutFile(request, IORING_OP_SOCKET, domain, 0);
  request.offset = type | SOCK_CLOEXEC;
  request.lengthBytes = protocol;
}

/**
 * As connect(2), Linux 5.5. Completes with 0; fails with ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EISCONN, ENOENT.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for an address that is none, or whose zone is unknown; RangeError ERR_OUT_OF_RANGE
 */
export function prepareConnect(request: RingRequest, file: FileTarget, address: SocketAddress): void {
  const encoded = encodeAddress(address);
  prepareOnFile(request, IORING_OP_CONNECT, file, 0);
  setAddress(request, encoded);
}

/**
 * As bind(2), Linux 6.11. Completes with 0; fails with EADDRINUSE (also where the path exists), EACCES (a port below 1024, or a folder that
 * cannot be written to), EADDRNOTAVAIL, ENOENT, EROFS, EINVAL (the socket has an address, or another family's), ENOTSOCK; with EINVAL also
 * on an older kernel.
 *
 * A Unix socket's path is a file, which stays when the socket is closed: `prepareUnlinkat` removes it. With the port 0 the kernel chooses
 * one, but no operation tells which before Linux 6.19: for clients that must know, choose a port, and another one after EADDRINUSE, or use
 * a Unix socket. There is no operation for SO_REUSEADDR here either: for about a minute after a server has closed a connection before
 * its client did, the port is in use.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for an address that is none, or whose zone is unknown; RangeError ERR_OUT_OF_RANGE
 */
export function prepareBind(request: RingRequest, file: FileTarget, address: SocketAddress): void {
  const encoded = encodeAddress(address);
  prepareOnFile(request, IORING_OP_BIND, file, 0);
  setAddress(request, encoded);
}

/**
 * As listen(2), Linux 6.11: from then on connections can be accepted ({@link prepareAccept}). Completes with 0; fails with EADDRINUSE,
 * EINVAL (the socket is connected, or a Unix socket without an address), ENOTSUP (such as a datagram socket), ENOTSOCK; with EINVAL also
 * on an older kernel. An IPv4 or IPv6 socket that has not been bound gets a port of the kernel's choice, see {@link prepareBind}.
 *
 * @param backlog how many connections may wait to be accepted; net.core.somaxconn (4096) limits it without a word
 * @throws RangeError ERR_OUT_OF_RANGE
 */
export function prepareListen(request: RingRequest, file: FileTarget, backlog: number): void {
  checkWord('backlog', backlog);
  prepareOnFile(request, IORING_OP_LISTEN, file, 0);
  request.lengthBytes = backlog;
}

/**
 * As accept4(2), Linux 5.5: completes with the descriptor of a connection, which is closed by an exec. Fails with EINVAL for a socket that
 * does not listen, EMFILE.
 *
 * @param options.multishot completes with IORING_CQE_F_MORE for each connection, until it is cancelled. Linux 5.19
 */
export function prepareAccept(request: RingRequest, file: FileTarget, options: { multishot?: boolean } = {}): void {
  prepareOnFile(request, IORING_OP_ACCEPT, file, SOCK_CLOEXEC);
  request.ioPriority = options.multishot === true ? IORING_ACCEPT_MULTISHOT : 0;
}

/** As send(2), Linux 5.6. Completes with the count of bytes sent, which may be less. Fails with EPIPE, ECONNRESET, ENOTCONN, ENOTSOCK. */
export function prepareSend(
  request: RingRequest,
  file: FileTarget,
  memory: IoBuffer,
  memoryOffset: number,
  lengthBytes: number,
  flags = 0,
): void {
  prepareTransfer(request, IORING_OP_SEND, file, memory, memoryOffset, lengthBytes, 0, flags | MSG_NOSIGNAL);
}

/**
 * As recv(2), Linux 5.6. Completes with the count of bytes received, 0 when the other side has closed. Fails with ECONNRESET, ENOTCONN,
 * ENOTSOCK.
 */
export function prepareRecv(
  request: RingRequest,
  file: FileTarget,
  memory: IoBuffer,
  memoryOffset: number,
  lengthBytes: number,
  flags = 0,
): void {
  prepareTransfer(request, IORING_OP_RECV, file, memory, memoryOffset, lengthBytes, 0, flags);
}

/** As shutdown(2), Linux 5.11. `how` is SHUT_RD, SHUT_WR or SHUT_RDWR. Completes with 0; fails with ENOTCONN, ENOTSOCK. */
export function prepareShutdown(request: RingRequest, file: FileTarget, how: number): void {
  prepareOnFile(request, IORING_OP_SHUTDOWN, file, 0);
  request.lengthBytes = how;
}

/** The entry's `addr` is the address, its `addr2` the length. */
function setAddress(request: RingRequest, encoded: Uint8Array): void {
  const argument = argumentOf(request, encoded.length);
  argument.bytes.set(encoded);
  request.address = argument.address;
  request.offset = encoded.length;
}

/** `struct sockaddr_un`, `sockaddr_in` or `sockaddr_in6`: the family in the machine's byte order, the rest in the network's. */
function encodeAddress(address: SocketAddress): Uint8Array {
  if ('path' in address) {
    if (address.path.includes('\0')) throw invalid('path', 'a string without null bytes', address.path);
    const path = Buffer.from(`${address.path}\0`);
    if (path.length > 108) throw outOfRange('path', 'at most 107 bytes', address.path);
    return Buffer.concat([Uint8Array.of(AF_UNIX, 0), path]);
  }
  const { port } = address;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw outOfRange('port', 'an integer >= 0 && <= 65535', port);
  const [text = '', zone] = splitZone(address.address);
  if (isIPv6(text)) {
    const head = Uint8Array.of(AF_INET6, 0, port >> 8, port & 255, 0, 0, 0, 0);
    const scope = zone === undefined ? 0 : scopeOf(zone, address.address);
    return Buffer.concat([head, bytesOfIPv6(text), Uint8Array.of(scope, scope >>> 8, scope >>> 16, scope >>> 24)]);
  }
  if (!isIPv4(text) || zone !== undefined) throw invalid('address', 'an IPv4 or IPv6 address', address.address);
  const parts = text.split('.').map(Number);
  return Uint8Array.of(AF_INET, 0, port >> 8, port & 255, ...parts, 0, 0, 0, 0, 0, 0, 0, 0);
}

function invalid(name: string, what: string, value: string): TypeError {
  const message = `The property '${name}' must be ${what}. Received ${JSON.stringify(value)}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

/** An address, and what follows the percent sign, in which an interface's name can have more than Node's own pattern of an address allows. */
function splitZone(address: string): [address: string, zone?: string] {
  const end = address.indexOf('%');
  return end < 0 ? [address] : [address.slice(0, end), address.slice(end + 1)];
}

/** `sin6_scope_id`: an interface's index. */
function scopeOf(zone: string, address: string): number {
  const index = /^[0-9]{1,10}$/.test(zone) ? Number(zone) : indexOfInterface(zone);
  if (index === undefined || index > 0xffff_ffff) {
    throw invalid('address', `an address in a known zone, and no interface with IPv6 is ${JSON.stringify(zone)}`, address);
  }
  return index;
}

/** The kernel's own list: os.networkInterfaces() knows the index of an interface only if that has a link-local address, which `lo` has not. */
function indexOfInterface(name: string): number | undefined {
  for (const line of readInterfaces().split('\n')) {
    // Address, index, length of the prefix and scope, all hexadecimal; flags; name.
    const [, index = '', , , , interfaceName] = line.trim().split(/ +/);
    if (interfaceName === name) return Number.parseInt(index, 16);
  }
  return undefined;
}

function readInterfaces(): string {
  try {
    return readFileSync('/proc/net/if_inet6', 'latin1');
  } catch {
    // Without IPv6 there is no such file, nor any zone.
    return '';
  }
}

/** The URL parser writes every IPv6 address out in groups, with at most one gap. */
function bytesOfIPv6(address: string): Uint8Array {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}
