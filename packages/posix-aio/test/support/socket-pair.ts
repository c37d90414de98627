import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AF_UNIX,
  prepareAccept,
  prepareBind,
  prepareConnect,
  prepareListen,
  prepareSocket,
  probe,
  SOCK_STREAM,
  threadRing,
} from '@biodone/uring';

/** Two connected stream sockets that block, which Node has no call for. @throws where io_uring has no operation for it, before Linux 6.11 */
export async function socketPair(): Promise<[number, number]> {
  const { available, reason } = probe();
  if (!available) throw new Error(`sockets are made by io_uring: ${reason}`);
  const ring = threadRing();
  const folder = mkdtempSync(join(tmpdir(), 'biodone-socket-'));
  try {
    const address = { path: join(folder, 'socket') };
    const listener = await ring.run((request) => prepareSocket(request, AF_UNIX, SOCK_STREAM));
    await ring.run((request) => prepareBind(request, listener, address));
    await ring.run((request) => prepareListen(request, listener, 1));
    const one = await ring.run((request) => prepareSocket(request, AF_UNIX, SOCK_STREAM));
    const accepted = ring.run((request) => prepareAccept(request, listener));
    await ring.run((request) => prepareConnect(request, one, address));
    return [one, await accepted];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
