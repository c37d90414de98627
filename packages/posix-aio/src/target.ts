import { inspect } from 'node:util';
import { AioServicePool } from '@biodone/aio';
import { BlockDevice } from '@biodone/blockdev';
import { EINVAL, SystemError } from '@biodone/uring';

/** More than AIO_MAX can be. */
const DEPTH = 65536;

const pools = new WeakMap<BlockDevice, AioServicePool>();

/** The pool for a device that stands in the place of a descriptor. @throws SystemError EINVAL for what is neither */
export function poolFor(target: unknown, syscall: string): AioServicePool {
  if (target instanceof AioServicePool) return target;
  if (!(target instanceof BlockDevice)) {
    const advice = `aio_fildes is ${inspect(target, { depth: -1 })}, neither a descriptor's number nor a BlockDevice or AioServicePool`;
    throw new SystemError(EINVAL, syscall, undefined, advice);
  }
  let pool = pools.get(target);
  if (pool === undefined) {
    pool = new AioServicePool(target, { depth: DEPTH, discipline: 'priocscan' });
    pools.set(target, pool);
  }
  return pool;
}
