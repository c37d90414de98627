import { isIPv4, isIPv6 } from 'node:net';
import type { IoBuffer } from '../memory.js';
import type { FileTarget } from '../ring-file.js';
import type { RingRequest } from '../ring-request.js';
import {
  IORING_OP_ACCEPT,
  IORING_OP_CONNECT,
  IORING_OP_RECV,
  IORING_OP_SEND,
  IORING_OP_SHUTDOWN,
  IORING_OP_SOCKET,
} from './abi.js';
import { argumentOf } from './argument.js';
import { IORING_ACCEPT_MULTISHOT } from './multishot.js';
import { outOfRange, prepareOnFile, prepareTransfer, prepareWithoutFile } from './prepare.js';

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

/** Where a socket connects to: an address and a port, or the path of a Unix socket. */
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
 * @throws TypeError ERR_INVALID_ARG_VALUE for an address that is none
 */
export function prepareConnect(request: RingRequest, file: FileTarget, address: SocketAddress): void {
  const encoded = encodeAddress(address);
  prepareOnFile(request, IORING_OP_CONNECT, file, 0);
  const argument = argumentOf(request, encoded.length);
  argument.bytes.set(encoded);
  request.address = argument.address;
  request.offset = encoded.length;
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
  if (isIPv6(address.address)) {
    const head = Uint8Array.of(AF_INET6, 0, port >> 8, port & 255, 0, 0, 0, 0);
    return Buffer.concat([head, bytesOfIPv6(address.address), new Uint8Array(4)]);
  }
  if (!isIPv4(address.address)) throw invalid('address', 'an IPv4 or IPv6 address', address.address);
  const parts = address.address.split('.').map(Number);
  return Uint8Array.of(AF_INET, 0, port >> 8, port & 255, ...parts, 0, 0, 0, 0, 0, 0, 0, 0);
}

function invalid(name: string, what: string, value: string): TypeError {
  const message = `The property '${name}' must be ${what}. Received ${JSON.stringify(value)}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

/** The URL parser writes every IPv6 address out in groups, with at most one gap. */
function bytesOfIPv6(address: string): Uint8Array {
  const text = new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}
