import type { BlockDevice, BlockDeviceOptions } from './block-device.js';
import type { DeviceHandle } from './driver.js';
import type { SpecError } from './spec-error.js';

/**
 * What a driver's option can be. In a text: `size` is a count of bytes, with k, m, g or t for 2^10 to 2^40; `integer` and `number` are
 * decimal; `boolean` is 0, 1, true, false, yes or no; `path`, `string` and `choice` are taken as they stand, in quotes where they hold
 * special characters; `device` is a device, `devices` all that follow. In JSON: sizes are numbers of bytes, devices are specs.
 */
export type OptionType = 'size' | 'integer' | 'number' | 'boolean' | 'string' | 'path' | 'choice' | 'device' | 'devices';

/** One option of a driver. */
export interface DriverOption {
  readonly type: OptionType;
  /** What it does, in half a line, for people who ask. */
  readonly summary: string;
  /** @default false */
  readonly required?: boolean;
  /** What it is if it is not given. */
  readonly default?: string | number | boolean;
  /** What a `choice` can be. */
  readonly choices?: readonly string[];
  /** The least value; of `devices`, the least number of them. @default 0 for a size, 1 for devices, otherwise none */
  readonly minimum?: number;
  /** The largest value; of `devices`, the largest number of them. @default 2^53 - 1 for a size or an integer, otherwise none */
  readonly maximum?: number;
  /** Where it stands in a text without its name, from 0 on. A number that is not required may be left out before a device. */
  readonly position?: number;
  /**
   * Whether others must not see it: a text that holds it is refused, since whoever lists the processes could read it. In JSON it is
   * allowed, and no message repeats it.
   * @default false
   */
  readonly secret?: boolean;
  /**
   * For `devices`: whether one may be null in JSON, and `missing` in a text, such as a mirror's half that has been taken out.
   * @default false
   */
  readonly mayBeMissing?: boolean;
  /** For a secret: the option that names a file with it, which a text can hold. */
  readonly instead?: string;
}

/** The options of a driver by their names. `Bytes` at the end of a size's, and `PerSecond`, may be left out in texts. */
export type DriverOptions = { readonly [name: string]: DriverOption };

type ValueOf<Option extends DriverOption> = Option['type'] extends 'size' | 'integer' | 'number'
  ? number
  : Option['type'] extends 'boolean'
    ? boolean
    : Option['type'] extends 'device'
      ? BlockDevice
      : Option['type'] extends 'devices'
        ? Option extends { readonly mayBeMissing: true }
          ? readonly (BlockDevice | null)[]
          : readonly BlockDevice[]
        : Option extends { readonly choices: readonly (infer Choice)[] }
          ? Choice
          : string;

type IsGiven<Option extends DriverOption> = Option extends { readonly required: true }
  ? true
  : Option extends { readonly default: string | number | boolean }
    ? true
    : false;

/** What a driver is given: its options, checked, and its devices, open. */
export type OptionValues<Options extends DriverOptions> = {
  readonly [Name in keyof Options as IsGiven<Options[Name]> extends true ? Name : never]: ValueOf<Options[Name]>;
} & {
  readonly [Name in keyof Options as IsGiven<Options[Name]> extends true ? never : Name]?: ValueOf<Options[Name]>;
};

/** What a driver learns at its opening, besides its options. */
export interface OpenContext {
  /** For `new BlockDevice(driver, options)`. */
  readonly options: BlockDeviceOptions;
  /**
   * The error for an option that contradicts another one: throw it.
   *
   * @param option its name; null for the device as a whole
   * @param expected what would have been right: `'a keyFile or a passphraseFile'`
   */
  refuse(option: string | null, expected: string): SpecError;
}

/** A driver as `openDevice` and `attachDevice` know it: a table, and two functions. See {@link registerDriver}. */
export interface DriverDefinition<Options extends DriverOptions = DriverOptions> {
  /** How specs and handles call it: a letter, then letters, digits and hyphens, all small. */
  readonly name: string;
  /** What it is, in half a line, for people who ask. */
  readonly summary: string;
  readonly options: Options;
  /**
   * Opens a device. The devices among the values belong to it from now on: closing it closes them. If it throws, they are closed.
   */
  open(values: OptionValues<Options>, context: OpenContext): BlockDevice | Promise<BlockDevice>;
  /**
   * Makes this thread's channel of a device that another thread has open: see `attachDevice`. A driver without it is for one thread alone.
   *
   * @param attach does the same for the handle of a device under it
   */
  attach?(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice;
}

/** A definition, with its types checked: `open` knows which values it is given. */
export function defineDriver<const Options extends DriverOptions>(definition: DriverDefinition<Options>): DriverDefinition {
  // The values are checked against the same table before `open` gets them.
  return definition as unknown as DriverDefinition;
}
