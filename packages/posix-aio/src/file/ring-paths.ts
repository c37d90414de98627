import { close } from 'node:fs';
import { promisify } from 'node:util';
import { EAGAIN, ECANCELED, prepareClose, prepareOpenat, RingRequest, threadRing } from '@biodone/uring';
import { ioError } from './file-errors.js';

/** Opens a file through the thread's ring. @returns the descriptor, or a negative errno, also where the ring could not be used */
export function openByRing(path: string, flags: number): Promise<number> {
  return new Promise((resolve) => {
    const request = free.pop() ?? new PathRequest();
    prepareOpenat(request, path, flags);
    request.begin(resolve);
  });
}

/** Closes a descriptor through the thread's ring, within the call if no file system has to be asked. @throws (rejects) what close(2) fails with */
export async function closeByRing(fd: number): Promise<void> {
  const result = await new Promise<number>((resolve) => {
    const request = free.pop() ?? new PathRequest();
    prepareClose(request, fd);
    request.begin(resolve);
  });
  if (NOT_CLOSED.has(result)) await closeByNode(fd);
  else if (result < 0) throw ioError(-result, 'close');
}

/** Closes a descriptor in one of Node's threads. @throws (rejects) what close(2) fails with */
export const closeByNode: (fd: number) => Promise<void> = promisify(close);

/** What only the ring says: that it is full, or is being closed, or that there is none. */
const RING_REFUSED = -(2 ** 31);
const NOT_CLOSED: ReadonlySet<number> = new Set([-EAGAIN, -ECANCELED, RING_REFUSED]);

/** Requests to be used again, with the memory of their paths. */
const free: PathRequest[] = [];
const FREE_MAX = 64;

class PathRequest extends RingRequest {
  #resolve: ((result: number) => void) | null = null;

  begin(resolve: (result: number) => void): void {
    this.#resolve = resolve;
    try {
      threadRing().start(this);
    } catch {
      // Somebody has closed the thread's ring in the meantime, or there is no descriptor or no memory left to make one: Node needs none.
      this.complete(RING_REFUSED);
    }
  }

  override complete(result: number): void {
    const resolve = this.#resolve;
    this.#resolve = null;
    if (free.length < FREE_MAX) free.push(this);
    resolve?.(result);
  }
}
