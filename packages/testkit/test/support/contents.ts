import { type BlockDevice, type MemOptions, openMem } from '@biodone/blockdev';
import { readRequest, runSync, writeRequest } from '@biodone/testkit';

/** What is on a device, from its beginning on, up to its end if nothing else is said. */
export function bytesOf(device: BlockDevice, lengthBytes: number = device.limits.sizeBytes ?? 0): Uint8Array {
  const io = readRequest(0, lengthBytes);
  device.strategySync(io);
  if (io.error !== 0) throw new Error(`the contents of a device cannot be read: errno ${io.error}`);
  return Uint8Array.from(io.buffer?.bytes.subarray(0, lengthBytes) ?? []);
}

/** A new device in memory with these contents. */
export function memoryWith(bytes: Uint8Array, options: Partial<MemOptions> = {}): BlockDevice {
  const device = openMem(bytes.length, options);
  const { error } = runSync(device, writeRequest(0, bytes));
  if (error !== 0) throw new Error(`a device in memory cannot be written: errno ${error}`);
  return device;
}

/** A new device in memory with what is on another one: what somebody finds there who knows nothing of whom it belongs to now. */
export function copyOf(device: BlockDevice, options: Partial<MemOptions> = {}): BlockDevice {
  return memoryWith(bytesOf(device), options);
}
