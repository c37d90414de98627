import type { EngineName } from '../jobs/job-options.js';
import { fsEngine } from './fs-engine.js';
import { fsPromisesEngine } from './fs-promises-engine.js';
import { fsSyncEngine } from './fs-sync-engine.js';
import type { IoEngine } from './io-engine.js';
import { nullEngine } from './null-engine.js';
import { threadsEngine, uringEngine } from './pool-engine.js';
import { posixAioEngine } from './posixaio-engine.js';
import { promisesEngine } from './promises-engine.js';
import { syncEngine } from './sync-engine.js';

/** All engines, by the names that `ioengine=` takes. */
export const IO_ENGINES: Readonly<Record<EngineName, IoEngine>> = {
  uring: uringEngine,
  threads: threadsEngine,
  sync: syncEngine,
  posixaio: posixAioEngine,
  promises: promisesEngine,
  fs: fsEngine,
  'fs-sync': fsSyncEngine,
  'fs-promises': fsPromisesEngine,
  null: nullEngine,
};
