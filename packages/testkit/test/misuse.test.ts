import { BLOCK_READ, type BlockDevice, openDevice, openMem } from '@biodone/blockdev';
import {
  type FaultRule,
  openCrash,
  openFault,
  openLogWrites,
  openPattern,
  openVerify,
  registerTestDrivers,
  SeededRandom,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';

const refused = (message: RegExp): Error =>
  expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: expect.stringMatching(message) }) as Error;
const error = { kind: 'error', errno: 5 };

describe('a fault rule that could never be meant', () => {
  const cases: [unknown, RegExp][] = [
    [undefined, /an object/],
    [{}, /action/],
    [{ action: 'error' }, /action/],
    [{ action: { kind: 'explode' } }, /one of error, delay.*'explode'/],
    [{ action: { kind: 'error', errno: 'EIO' } }, /errno.*positive.*'EIO'/],
    [{ action: { kind: 'error', errno: -5 } }, /errno.*positive/],
    [{ action: { kind: 'error' } }, /errno/],
    [{ action: { kind: 'delay', delayMs: -1 } }, /delayMs/],
    [{ action: { kind: 'torn', sectors: 1.5 } }, /sectors/],
    [{ action: { kind: 'torn', sectors: 1, errno: 0 } }, /errno/],
    [{ action: { kind: 'misdirected' } }, /byBytes/],
    [{ action: { kind: 'never', delayMs: 5 } }, /no member 'delayMs'/],
    [{ action: error, operations: BLOCK_READ }, /operations.*array/],
    [{ action: error, operations: ['read'] }, /operations/],
    [{ action: error, operations: [7] }, /operations/],
    [{ action: error, operation: [BLOCK_READ] }, /no member 'operation'.*operations/],
    [{ action: error, times: -1 }, /times/],
    [{ action: error, probability: 50 }, /probability.*0 to 1/],
    [{ action: error, when: true }, /when/],
  ];
  it.each(cases)('is refused: %j', (rule, message) => {
    const device = openFault(openMem(512));
    expect(() => device.addFault(rule as FaultRule)).toThrow(refused(message));
    expect(() => openFault(openMem(512), { rules: [rule as FaultRule] })).toThrow(refused(message));
    expect(device.faults).toEqual([]);
  });
});

describe('a crash', () => {
  it('says what survives by a share, and by what chance', async () => {
    const device = openCrash(openMem(512));
    for (const survive of [-0.1, 1.1, Number.NaN, '1' as unknown as number]) {
      expect(() => device.crash({ survive, random: new SeededRandom(1) })).toThrow(refused(/survive/));
    }
    expect(() => device.crash({ survive: 0.5 })).toThrow(refused(/random/));
    expect(() => device.crash({ survive: 1, random: Math.random as unknown as SeededRandom })).toThrow(refused(/random/));
    expect(() => device.crash({ sectorBytes: 0 })).toThrow(refused(/sectorBytes/));
    device.crash({ survive: 1, random: new SeededRandom(1) });
    device.crash();
    await device.close();
  });
});

describe('registerTestDrivers', () => {
  it('opens what config() says', async () => {
    const unregister = registerTestDrivers();
    expect(registerTestDrivers).toThrow(refused(/fault/));
    const devices: BlockDevice[] = [
      openFault(openMem(512), { seed: 5 }),
      openCrash(openMem(512), { fua: 'emulate', stepped: true }),
      openVerify(openMem(512)),
      openLogWrites(openMem(512)),
      openPattern(512, { generation: 3 }),
    ];
    for (const device of devices) {
      const config = device.config();
      const again = await openDevice(JSON.parse(JSON.stringify(config)));
      expect(again.config()).toEqual(config);
      expect(again.constructor).toBe(device.constructor);
      await Promise.all([device.close(), again.close()]);
    }
    const verify = await openDevice('verify(mem:1k,contents=zeros)');
    await verify.close();
    unregister();
    await expect(openDevice('verify(mem:1k)')).rejects.toThrow(/expected a driver/);
    // They can be registered again.
    registerTestDrivers()();
  });
});
