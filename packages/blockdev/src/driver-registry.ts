import { checkDefinition } from './check-definition.js';
import type { DeviceHandle } from './driver.js';
import { type DriverDefinition, type DriverOptions, defineDriver } from './driver-definition.js';
import { builtInDrivers } from './drivers/built-in-drivers.js';

/** By name. The drivers of this package are there from the beginning, in every thread. */
const drivers: Map<string, DriverDefinition> = new Map(builtInDrivers.map((definition) => [definition.name, definition]));

/**
 * Adds a driver: `openDevice` opens devices of its name, and `attachDevice` takes their handles, in this thread. Another thread adds it for
 * itself, best by the module that has the driver.
 *
 * @example
 * ```js
 * import { openDevice, openMem, registerDriver } from '@biodone/blockdev';
 *
 * registerDriver({
 *   name: 'floppy',
 *   summary: 'a memory disk of the size of a floppy disk',
 *   options: { sides: { type: 'integer', summary: 'how many', minimum: 1, maximum: 2, default: 2, position: 0 } },
 *   open: ({ sides }) => openMem(sides * 720 * 1024),
 * });
 * const device = await openDevice('floppy:1');
 * console.log(device.limits.sizeBytes); // 737280
 * await device.close();
 * ```
 *
 * @returns takes it out again
 * @throws TypeError ERR_INVALID_ARG_VALUE for a table that contradicts itself, and for a name that is in use
 */
export function registerDriver<const Options extends DriverOptions>(definition: DriverDefinition<Options>): () => void {
  const defined = defineDriver(definition);
  const { name } = defined;
  checkDefinition(defined, drivers.has(name));
  drivers.set(name, defined);
  return () => {
    if (drivers.get(name) === defined) drivers.delete(name);
  };
}

/** The drivers that `openDevice` knows in this thread, by name: for help texts. */
export function registeredDrivers(): readonly DriverDefinition[] {
  return [...drivers.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * Whether any thread can attach a handle: all drivers of the stack are this package's own. For others the thread has to import first what registers them.
 */
export function isKnownEverywhere(handle: DeviceHandle): boolean {
  const isOwn = builtInDrivers.some(({ name }) => name === handle.driver);
  return (
    isOwn &&
    Object.values(handle)
      .flat()
      .every((value) => !isHandle(value) || isKnownEverywhere(value))
  );
}

export function findDriver(name: string): DriverDefinition | undefined {
  return drivers.get(name);
}

function isHandle(value: unknown): value is DeviceHandle {
  return typeof value === 'object' && value !== null && typeof (value as Partial<DeviceHandle>).driver === 'string';
}
