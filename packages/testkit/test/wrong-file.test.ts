import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AioServicePool } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, type FileEngineName, openFile } from '@biodone/blockdev';
import { SeededRandom, turn } from '@biodone/testkit';
import { IoBuffer, probe } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';

const BLOCK_BYTES = 4096;
const BLOCKS = 8;
const BATCH = 50;
const MINE = 0x4d;
const OTHER = 0x4f;

const folder = mkdtempSync(join(tmpdir(), 'biodone-wrong-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const mine = join(folder, 'mine');
const other = join(folder, 'other');
writeFileSync(mine, Buffer.alloc(BLOCKS * BLOCK_BYTES, MINE));
writeFileSync(other, Buffer.alloc(BLOCKS * BLOCK_BYTES, OTHER));
const memory = IoBuffer.allocate(BATCH * BLOCK_BYTES);
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
console.log(`wrong file: BIODONE_SEED=${seed}`);
const random = new SeededRandom(seed);

const { available, reason } = probe();
if (!available) console.warn(`io_uring is not tested: ${reason}`);

interface Counts {
  ended: number;
  failed: number;
  wrongReads: number;
  reused: number;
}

/** Fills a pool with operations on one file, closes it and the file, and opens another file as often as it takes to get the number. */
async function round(engine: FileEngineName, counts: Counts): Promise<void> {
  // The lowest number that is free: the file gets it, and so does who opens one when it is closed.
  const next = openSync(other, 'r+');
  closeSync(next);
  const device = openFile(mine, { engine });
  const pool = new AioServicePool(device, { service: 'inline', inFlightMax: 1 + random.below(BATCH) });
  for (let place = 0; place < BATCH; place++) submit(pool, place, counts);
  const early = random.below(3) === 0;
  let closed = false;
  const pooled = pool.close({ cancel: random.below(2) === 0 });
  const closing = (early ? device.close().then(() => pooled) : pooled.then(() => device.close())).then(() => {
    closed = true;
  });
  const opened: number[] = [];
  const open = (): void => void opened.push(openSync(other, 'r+'));
  open();
  while (!closed) {
    await turn();
    if (opened.length < 4) open();
  }
  open();
  await closing;
  if (opened.includes(next)) counts.reused += 1;
  for (const descriptor of opened) closeSync(descriptor);
}

function submit(pool: AioServicePool, place: number, counts: Counts): void {
  const op = pool.allocate();
  const isRead = random.below(2) === 0;
  const bytes = memory.bytes.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES);
  bytes.fill(isRead ? 0 : MINE);
  op.operation = isRead ? BLOCK_READ : BLOCK_WRITE;
  op.buffer = memory;
  op.bufferOffset = place * BLOCK_BYTES;
  op.offset = random.below(BLOCKS) * BLOCK_BYTES;
  op.lengthBytes = BLOCK_BYTES;
  op.callback = ({ error }) => {
    counts.ended += 1;
    if (error !== 0) counts.failed += 1;
    else if (isRead && bytes.some((byte) => byte !== MINE)) counts.wrongReads += 1;
  };
  pool.submit(op);
}

describe('a file that is closed with operations in flight while another one is opened', () => {
  const engines: readonly (readonly [FileEngineName, number])[] = [
    ...(available ? [['uring', 40_000] as const] : []),
    ['fs', available ? 40_000 : 80_000],
    ['sync', 20_000],
  ];
  for (const [engine, operations] of engines) {
    it(`is read and written, and never the other one: engine ${engine}, ${operations} operations`, {
      timeout: 60_000,
    }, async () => {
      const counts = { ended: 0, failed: 0, wrongReads: 0, reused: 0 };
      const rounds = operations / BATCH;
      for (let count = 0; count < rounds; count++) await round(engine, counts);
      expect(counts.ended).toBe(operations);
      expect(counts.wrongReads).toBe(0);
      expect(readFileSync(other).every((byte) => byte === OTHER)).toBe(true);
      expect(readFileSync(mine).every((byte) => byte === MINE)).toBe(true);
      // Otherwise nothing was tested.
      expect(counts.reused).toBeGreaterThan(rounds / 2);
      expect(counts.failed).toBeLessThan(operations * 0.9);
    });
  }
});
