import type { DriverDefinition } from '../driver-definition.js';
import { cacheDefinition } from './definitions/cache.js';
import { checksumDefinition } from './definitions/checksum.js';
import { concatDefinition } from './definitions/concat.js';
import { cowDefinition } from './definitions/cow.js';
import { cryptDefinition } from './definitions/crypt.js';
import { fileDefinition } from './definitions/file.js';
import { memDefinition } from './definitions/mem.js';
import { mirrorDefinition } from './definitions/mirror.js';
import { nullDefinition } from './definitions/null.js';
import { partitionDefinition } from './definitions/partition.js';
import { qcow2Definition } from './definitions/qcow2.js';
import { raidDefinition } from './definitions/raid.js';
import { sliceDefinition } from './definitions/slice.js';
import { snapshotsDefinition } from './definitions/snapshots.js';
import { stripeDefinition } from './definitions/stripe.js';
import { throttleDefinition } from './definitions/throttle.js';
import { vhdDefinition } from './definitions/vhd.js';

/** The drivers that are there without being registered. */
export const builtInDrivers: readonly DriverDefinition[] = [
  cacheDefinition,
  checksumDefinition,
  concatDefinition,
  cowDefinition,
  cryptDefinition,
  fileDefinition,
  memDefinition,
  mirrorDefinition,
  nullDefinition,
  partitionDefinition,
  qcow2Definition,
  raidDefinition,
  sliceDefinition,
  snapshotsDefinition,
  stripeDefinition,
  throttleDefinition,
  vhdDefinition,
];
