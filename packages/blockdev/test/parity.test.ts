import { ParityMemory } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { seededRandom } from './support/random.js';

describe('the memory for parity', () => {
  it('holds the exclusive-or of its parts, at any places, for any lengths', () => {
    const random = seededRandom('parity');
    const memory = new ParityMemory(8192);
    const { bytes } = memory.buffer;
    for (let round = 0; round < 300; round++) {
      for (let index = 0; index < bytes.length; index++) bytes[index] = random(256);
      const [count, distance] = [1 + random(6), 128 + random(900)];
      const [first, length] = [random(64), 1 + random(128)];
      const target = first + random(count) * distance;
      const before = Uint8Array.from(bytes);
      memory.combine(target, first, distance, count, length);
      for (let at = 0; at < length; at++) {
        let expected = 0;
        for (let part = 0; part < count; part++) {
          const place = first + part * distance;
          if (place !== target) expected ^= before[place + at] as number;
        }
        if (count > 1) before[target + at] = expected;
      }
      expect(Buffer.compare(bytes, before), `round ${round}: ${count} parts of ${length} bytes`).toBe(0);
      const other = first + random(count) * distance;
      if (other === target) continue;
      memory.add(target, other, length);
      for (let at = 0; at < length; at++) before[target + at] = (before[target + at] as number) ^ (before[other + at] as number);
      expect(Buffer.compare(bytes, before), `round ${round}: a part is added`).toBe(0);
    }
  });

  it('knows whether a part is zeros', () => {
    const memory = new ParityMemory(1000);
    expect(memory.isZero(7, 900)).toBe(true);
    memory.buffer.bytes[906] = 1;
    expect([memory.isZero(7, 899), memory.isZero(7, 900)]).toEqual([true, false]);
  });

  it('does the same without WebAssembly', { timeout: 60_000 }, async () => {
    // V8 itself says on the error stream that it has no WebAssembly then.
    const { status, stdout } = await run(
      process.execPath,
      ['--jitless', '--no-warnings', programPath('parity-jitless.mjs')],
      50_000,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'undefined true\n' });
  });
});
