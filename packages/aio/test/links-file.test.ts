import { AioOp, AioServicePool, LINK_SOFT } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { ECANCELED, IoBuffer } from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { BLOCK_BYTES, makeFolder } from './support/files.js';

const folder = makeFolder();
afterAll(() => folder.remove());

it.each(['inline', 'threads'] as const)(
  'chains on a file are read as they were written, and end at its end: %s',
  async (service) => {
    const device = openFile(folder.numbered(service, 64));
    const pool = new AioServicePool(device, { service, threads: 2 });
    const log: string[] = [];
    const told: Promise<void>[] = [];
    const member = (name: string, fields: Partial<AioOp>): AioOp => {
      const op = Object.assign(new AioOp(), { link: LINK_SOFT }, fields);
      told.push(
        new Promise((resolve) => {
          op.callback = ({ error, transferredBytes }) => {
            log.push(`${name}:${error}:${transferredBytes}`);
            resolve();
          };
        }),
      );
      return op;
    };
    const targets = Array.from({ length: 16 }, (_, chain) => {
      const source = IoBuffer.allocate(BLOCK_BYTES);
      const target = IoBuffer.allocate(BLOCK_BYTES);
      source.bytes.fill(chain + 1);
      const place = { offset: chain * BLOCK_BYTES, lengthBytes: BLOCK_BYTES };
      const ops = [
        member(`${chain} write`, { operation: BLOCK_WRITE, buffer: source, ...place }),
        member(`${chain} flush`, { operation: BLOCK_FLUSH }),
        member(`${chain} read`, { operation: BLOCK_READ, buffer: target, ...place, link: 0 }),
      ];
      expect(pool.submitAll(ops)).toBe(3);
      return target;
    });
    await Promise.all(told);
    for (const [chain, target] of targets.entries()) {
      expect(target.bytes.every((byte) => byte === chain + 1)).toBe(true);
      const own = log.filter((entry) => entry.startsWith(`${chain} `));
      expect(own).toEqual([`${chain} write:0:4096`, `${chain} flush:0:0`, `${chain} read:0:4096`]);
    }
    const buffer = IoBuffer.allocate(BLOCK_BYTES);
    const beyond = { operation: BLOCK_READ, buffer, offset: 64 * BLOCK_BYTES, lengthBytes: BLOCK_BYTES };
    pool.submitAll([member('beyond', beyond), member('behind', { ...beyond, offset: 0 })]);
    await Promise.all(told);
    expect(log.at(-1)).toBe(`behind:${ECANCELED}:0`);
    await pool.close();
    await device.close();
  },
);
