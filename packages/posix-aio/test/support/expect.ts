import { aio_error, aio_return, aio_suspend, type aiocb, EINPROGRESS } from '@biodone/posix-aio';
import { expect } from 'vitest';

/** Blocks until a request is done, and takes its error and its result. */
export function finish(cb: aiocb): [error: number, result: number] {
  while (aio_error(cb) === EINPROGRESS) aio_suspend([cb]);
  return [aio_error(cb), aio_return(cb)];
}

export function finishAll(list: readonly aiocb[]): [number, number][] {
  return list.map(finish);
}

/** Expects a call to fail with an error of Node's shape. */
export function failsWith(call: () => unknown, code: string, syscall: string): string {
  let caught: NodeJS.ErrnoException | null = null;
  try {
    call();
  } catch (error) {
    caught = error as NodeJS.ErrnoException;
  }
  expect(caught).toMatchObject({ code, syscall });
  expect(caught?.errno).toBeLessThan(0);
  return caught?.message ?? '';
}

/** Lets the event loop turn until something is so. The test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
