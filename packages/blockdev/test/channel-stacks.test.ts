import {
  attachDevice,
  BLOCK_WRITE,
  type BlockDevice,
  formatCrypt,
  openConcat,
  openCrypt,
  openMem,
  openSlice,
  openStripe,
  openThrottle,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { flush, makeIo, read, runSync, write } from './support/requests.js';

const MIB = 2 ** 20;
const secret = { passphrase: 'open sesame' };
const EPERM = 1;

const filters: [name: string, open: (channel: BlockDevice) => BlockDevice | Promise<BlockDevice>][] = [
  ['throttle', (channel) => openThrottle(channel, { iops: 1000 })],
  ['slice', (channel) => openSlice(channel, { offsetBytes: 4096, lengthBytes: 65_536 })],
  ['concat', (channel) => openConcat([channel])],
  ['stripe', (channel) => openStripe([channel], { stripeBytes: 4096 })],
  ['crypt', (channel) => openCrypt(channel, secret)],
];

async function openDisk(): Promise<BlockDevice> {
  const disk = openMem(2 * MIB);
  await formatCrypt(disk, { ...secret, scrypt: { N: 16, r: 1, p: 1 }, dataOffsetBytes: MIB });
  return disk;
}

describe.each(filters)('a %s on a channel', (_, open) => {
  it('works, claims nothing, and closes the channel alone', async () => {
    const disk = await openDisk();
    const channel = attachDevice(structuredClone(disk.handle()));
    expect([disk.attached, channel.attached]).toEqual([false, true]);
    const device = await open(channel);
    const content = Buffer.alloc(4096, 'content');
    expect(await write(device, content, 4096)).toEqual({ error: 0, transferredBytes: 4096 });
    expect(await flush(device)).toEqual({ error: 0, transferredBytes: 0 });
    const buffer = IoBuffer.allocate(4096);
    expect(await read(device, buffer, 4096)).toEqual({ error: 0, transferredBytes: 4096 });
    expect(content.equals(buffer.bytes)).toBe(true);
    await device.close();
    expect([channel.closed, disk.closed]).toEqual([true, false]);
    disk.claim('exclusive').release();
    await disk.close();
  });

  it('writes by the right of its handle: against a claim it has none, and with it, it has', async () => {
    const disk = await openDisk();
    const claim = disk.claim('read-many-write-one');
    const outcomes = [];
    for (const handle of [disk.handle(), disk.handle(claim)]) {
      const device = await open(attachDevice(handle));
      outcomes.push(runSync(device, makeIo({ operation: BLOCK_WRITE, offset: 8192 })).error);
      outcomes.push((await write(device, Buffer.alloc(4096, 1), 4096)).error);
      await device.close();
    }
    expect(outcomes).toEqual([EPERM, EPERM, 0, 0]);
    claim.release();
    await disk.close();
  });

  it('can be opened again after an opening that failed', async () => {
    const disk = await openDisk();
    const channel = attachDevice(disk.handle());
    expect(() => openThrottle(channel, {}, { piecesMax: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    await (await open(channel)).close();
    await disk.close();
  });
});

describe('a throttle', () => {
  it('is for one thread, and says that each can open its own on a channel', async () => {
    const disk = openMem(MIB);
    const first = openThrottle(attachDevice(disk.handle()), { iops: 1000 });
    const second = openThrottle(attachDevice(disk.handle()), { iops: 1000 });
    expect(() => first.handle()).toThrow(
      expect.objectContaining({ code: 'ENOTSUP', message: expect.stringContaining('on attachDevice()') as string }),
    );
    for (const device of [first, second]) expect((await write(device, Buffer.alloc(512, 1), 0)).error).toBe(0);
    await Promise.all([first.close(), second.close()]);
    await disk.close();
  });
});
