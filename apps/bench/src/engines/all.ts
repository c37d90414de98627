import type { Workload } from '../workload/workload.js';
import { biodoneCallbacks } from './biodone-callbacks.js';
import { biodonePromises } from './biodone-promises.js';
import { biodoneSync } from './biodone-sync.js';
import { biodoneThreads } from './biodone-threads.js';
import type { Engine } from './engine.js';
import { fileHandle } from './file-handle.js';
import { fsCallbacks } from './fs-callbacks.js';
import { fsSync } from './fs-sync.js';
import { posixAio } from './posix-aio.js';

/** All engines, in the order of the rows. */
export const ENGINES: readonly Engine[] = [
  biodoneSync,
  biodoneCallbacks,
  biodonePromises,
  biodoneThreads,
  posixAio,
  fsSync,
  fsCallbacks,
  fileHandle,
];

/**
 * The engines by what is measured together. Of a pair each runs right beside the other, in short turns: what slows the machine down for a
 * moment then meets both, and their ratio is good to a few percent.
 */
const CACHED_GROUPS: readonly (readonly Engine[])[] = [
  [biodoneSync, fsSync],
  [biodoneCallbacks],
  [biodonePromises],
  [biodoneThreads],
  [posixAio],
  [fsCallbacks],
  [fileHandle],
];

/** What goes to the disk is about the disk: a path of ours with and without threads, and Node's. */
const DIRECT_GROUPS: readonly (readonly Engine[])[] = [[biodoneCallbacks], [biodoneThreads], [fileHandle]];

/** The engines of a workload, by what is measured together. */
export function groupsOf({ direct }: Workload): readonly (readonly Engine[])[] {
  return direct ? DIRECT_GROUPS : CACHED_GROUPS;
}

/** The engines of a workload, in the order of the rows. */
export function enginesOf(workload: Workload): readonly Engine[] {
  const engines = groupsOf(workload).flat();
  return ENGINES.filter((engine) => engines.includes(engine));
}
