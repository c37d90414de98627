import koffi from 'koffi';

const library = koffi.load(null);
const bindCall = library.func('int bind(int fd, const void *address, uint length)');
const listenCall = library.func('int listen(int fd, int backlog)');
const nameCall = library.func('int getsockname(int fd, void *address, void *length)');

/** Binds a TCP socket of IPv4 to a free port of 127.0.0.1, and lets it listen: for which io_uring has requests from Linux 6.11 only. */
export function listenOn(fd: number): number {
  // struct sockaddr_in: family 2 in this machine's order, then port and address in the network's.
  const address = new Uint8Array(16);
  new Uint16Array(address.buffer)[0] = 2;
  address.set([127, 0, 0, 1], 4);
  if (bindCall(fd, address, 16) !== 0) throw new Error(`bind: errno ${koffi.errno()}`);
  if (listenCall(fd, 64) !== 0) throw new Error(`listen: errno ${koffi.errno()}`);
  if (nameCall(fd, address, Uint32Array.of(16)) !== 0) throw new Error(`getsockname: errno ${koffi.errno()}`);
  return ((address[2] as number) << 8) | (address[3] as number);
}
