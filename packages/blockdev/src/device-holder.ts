/** Who works on an open device beside its object, through channels of its own: see `BlockDevice.hold`. */
export interface DeviceHolder {
  /** The device is quiesced: starts nothing more, and promises when nothing of what it has started is under way. It may be told again. */
  quiesce(): Promise<void>;
  /** The device goes on. */
  resume(): void;
  /** The device is closed: what is held back since {@link quiesce} ends with ECANCELED. Calls no callback in here. */
  cancel(): void;
}
