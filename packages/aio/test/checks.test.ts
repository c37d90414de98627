import { AioOp, AioServiceClass, AioServicePool, type AioServicePoolOptions } from '@biodone/aio';
import { type BlockDevice, openNull } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';

/** As who writes JavaScript. */
function wrong<T>(value: unknown): T {
  return value as T;
}

const argument = (name: string) =>
  expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE', message: expect.stringContaining(`"${name}"`) });

describe('what is wrong is refused at once, by its name', () => {
  it.each([undefined, 'x', {}, 5])('a callback: %o', (callback) => {
    const op = new AioOp();
    expect(() => {
      op.callback = wrong(callback);
    }).toThrow(argument('callback'));
    expect(op.callback).toBe(null);
  });

  it.each([7, -1, '1', undefined, Number.NaN])('a priority: %o', (priority) => {
    const op = new AioOp();
    expect(() => {
      op.priority = wrong(priority);
    }).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', message: expect.stringContaining('"priority"') }));
    expect(op.priority).toBe(1);
  });

  it.each([null, undefined, {}, { callback: null }, 5, 'op'])('what is submitted, or released: %o', (op) => {
    for (const target of [new AioServicePool(openNull()), new AioServiceClass([{ device: openNull() }])]) {
      expect(() => target.submit(wrong(op))).toThrow(argument('op'));
      expect(() => target.sync(wrong(op))).toThrow(argument('op'));
      expect(() => target.read(wrong(op), wrong(null), 0, 0)).toThrow(argument('op'));
      expect(() => target.release(wrong(op))).toThrow(argument('op'));
      expect(target.submitAll([wrong(op)])).toBe(0);
      expect(target.inFlight).toBe(0);
    }
  });

  it.each([-1, Number.NaN, '1', undefined])('how long is waited: %o', (timeoutMs) => {
    for (const target of [new AioServicePool(openNull()), new AioServiceClass([{ device: openNull() }])]) {
      for (const call of [() => target.wait(wrong(timeoutMs)), () => target.waitComplete(wrong(timeoutMs ?? null))]) {
        expect(call).toThrow(
          expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', message: expect.stringContaining('timeoutMs') }),
        );
      }
    }
  });

  it.each([{}, null, undefined, 'id'])('what is cancelled: %o', (target) => {
    const pool = new AioServicePool(openNull());
    expect(() => pool.cancel(wrong(target))).toThrow(argument('target'));
    expect(() => pool.cancelSync(wrong(target))).toThrow(argument('target'));
    expect(pool.stats().cancels.done).toBe(0);
  });

  it.each([Number.NaN, -5, 'soon', undefined, null])('for how long to wait: %o', (timeoutMs) => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    start(pool, [], 'a');
    expect(() => pool.wait(wrong(timeoutMs))).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', message: expect.stringContaining('"timeoutMs"') }),
    );
  });

  it.each([null, undefined, {}, '/dev/null'])('a device: %o', (device) => {
    expect(() => new AioServicePool(wrong<BlockDevice>(device))).toThrow(argument('device'));
  });

  it.each([
    [{ inflightMax: 4 }, 'inFlightMax'],
    [{ dicipline: 'priocscan' }, 'discipline'],
    [{ byteMax: 5 }, 'bytesMax'],
  ])('the name of an option: %o', (options, meant) => {
    expect(() => new AioServicePool(openNull(), wrong<AioServicePoolOptions>(options))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining(`'${meant}'`) }),
    );
  });

  it('options that are none', () => {
    expect(() => new AioServicePool(openNull(), wrong(null))).toThrow(argument('options'));
  });
});

describe('statistics that somebody has', () => {
  it('stay as they are when there are newer ones', () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    const { queueWait } = pool.stats();
    pool.submit(fill(pool.allocate(), { callback: () => {} }));
    pool.submit(fill(pool.allocate(), { callback: () => {} }));
    manual.complete();
    expect([queueWait.count, pool.stats().queueWait.count]).toEqual([0, 1]);
  });
});
