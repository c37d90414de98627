import { BlockDevice, type BlockIo, biodone, type DeviceHandle, registerDriver } from '@biodone/blockdev';

/** A channel of a device whose requests end when the test says so. */
export interface LateChannel {
  readonly started: BlockIo[];
}

/** What is known of all requests, by their offsets, of which none is used twice. */
export interface LateDevice {
  readonly device: BlockDevice;
  readonly channels: LateChannel[];
  /** How often a request has been begun, and which have been answered. */
  readonly begun: Map<number, number>;
  readonly answered: Set<number>;
  complete(channel: LateChannel, io: BlockIo): void;
}

const devices: LateDevice[] = [];

function driverOf(late: () => LateDevice, channel: LateChannel | null, number: number) {
  return {
    name: 'late',
    limits: { blockSizeBytes: 512, sizeBytes: 2 ** 40, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' as const },
    start: (io: BlockIo): void => {
      const { begun } = late();
      begun.set(io.offset, (begun.get(io.offset) ?? 0) + 1);
      channel?.started.push(io);
    },
    startSync: (): void => {},
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'late' }),
    handle: () => ({ driver: 'late', number }),
    close: (): void => {},
  };
}

export function openLate(): LateDevice {
  const number = devices.length;
  const late: LateDevice = {
    device: new BlockDevice(driverOf(() => late, null, number)),
    channels: [],
    begun: new Map(),
    answered: new Set(),
    complete: (channel, io) => {
      channel.started.splice(channel.started.indexOf(io), 1);
      late.answered.add(io.offset);
      io.transferredBytes = io.lengthBytes;
      biodone(io, 0);
    },
  };
  devices.push(late);
  return late;
}

registerDriver({
  name: 'late',
  summary: 'ends its requests when the test says so',
  options: {},
  open: () => openLate().device,
  attach: (handle: DeviceHandle) => {
    const { number } = handle as unknown as { number: number };
    const late = devices[number] as LateDevice;
    const channel: LateChannel = { started: [] };
    late.channels.push(channel);
    return new BlockDevice(
      driverOf(() => late, channel, number),
      {},
      handle,
    );
  },
});
