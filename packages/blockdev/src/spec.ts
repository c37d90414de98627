/**
 * A device, or a stack of devices, as JSON: what `openDevice` opens and `config()` returns. `driver` names the driver, the other members are
 * its options; devices under it are specs themselves.
 */
export interface DeviceSpec {
  readonly driver: string;
  readonly [option: string]: SpecValue;
}

/** What stands in a {@link DeviceSpec}. */
export type SpecValue = string | number | boolean | null | DeviceSpec | readonly SpecValue[] | undefined;
