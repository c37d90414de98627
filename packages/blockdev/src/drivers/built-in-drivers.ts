import type { DriverDefinition } from '../driver-definition.js';
import { fileDefinition } from './definitions/file.js';
import { memDefinition } from './definitions/mem.js';
import { nullDefinition } from './definitions/null.js';

/** The drivers that are there without being registered. */
export const builtInDrivers: readonly DriverDefinition[] = [fileDefinition, memDefinition, nullDefinition];
