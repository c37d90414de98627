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
export const GROUPS: readonly (readonly Engine[])[] = [
  [biodoneSync, fsSync],
  [biodoneCallbacks],
  [biodonePromises],
  [biodoneThreads],
  [posixAio],
  [fsCallbacks],
  [fileHandle],
];
