import type { DriverDefinition } from '../driver-definition.js';
import { checksumDefinition } from './definitions/checksum.js';
import { concatDefinition } from './definitions/concat.js';
import { cryptDefinition } from './definitions/crypt.js';
import { fileDefinition } from './definitions/file.js';
import { memDefinition } from './definitions/mem.js';
import { mirrorDefinition } from './definitions/mirror.js';
import { nullDefinition } from './definitions/null.js';
import { partitionDefinition } from './definitions/partition.js';
import { qcow2Definition } from './definitions/qcow2.js';
import { sliceDefinition } from './definitions/slice.js';
import { stripeDefinition } from './definitions/stripe.js';
import { throttleDefinition } from './definitions/throttle.js';
import { vhdDefinition } from './definitions/vhd.js';

/** The drivers that are there without being registered. */
export const builtInDrivers: readonly DriverDefinition[] = [
  checksumDefinition,
  concatDefinition,
  cryptDefinition,
  fileDefinition,
  memDefinition,
  mirrorDefinition,
  nullDefinition,
  partitionDefinition,
  qcow2Definition,
  sliceDefinition,
  stripeDefinition,
  throttleDefinition,
  vhdDefinition,
];
