import type { DriverDefinition } from '../driver-definition.js';
import { cryptDefinition } from './definitions/crypt.js';
import { fileDefinition } from './definitions/file.js';
import { memDefinition } from './definitions/mem.js';
import { nullDefinition } from './definitions/null.js';
import { throttleDefinition } from './definitions/throttle.js';

/** The drivers that are there without being registered. */
export const builtInDrivers: readonly DriverDefinition[] = [
  cryptDefinition,
  fileDefinition,
  memDefinition,
  nullDefinition,
  throttleDefinition,
];
