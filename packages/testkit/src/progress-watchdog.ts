import { inspect } from 'node:util';
import { BLOCK_OPERATION_NAMES, type BlockDevice, type BlockIo, IO_STARTED } from '@biodone/blockdev';

/**
 * Waits for what should come, and fails with a picture of the device instead of waiting for ever: a request that nobody wakes is the
 * commonest fault of a block layer, and a test that hangs says nothing.
 *
 * @param requests what is shown of those that are still in flight
 * @param timeoutMs how long progress may take, in real time
 */
export async function withProgress<T>(
  device: BlockDevice,
  what: string,
  promise: Promise<T>,
  requests: readonly BlockIo[] = [],
  timeoutMs = 10_000,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no progress for ${timeoutMs} ms: ${what}\n${picture(device, requests)}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, stuck]);
  } finally {
    clearTimeout(timer);
  }
}

function picture(device: BlockDevice, requests: readonly BlockIo[]): string {
  const inFlight = requests.filter(({ state }) => state === IO_STARTED);
  const lines = inFlight.map(
    ({ operation, offset, lengthBytes }) => `${BLOCK_OPERATION_NAMES[operation]} ${offset}+${lengthBytes}`,
  );
  const { operations: _, ...statistics } = device.statistics();
  return inspect({ device: device.describe(), statistics, inFlight: lines }, { depth: 6 });
}
