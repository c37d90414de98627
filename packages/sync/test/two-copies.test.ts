import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as first from '@biodone/sync';
import { afterAll, describe, expect, it } from 'vitest';

// A program may load this package twice, such as when two of its dependencies bring a copy each.
const folder = mkdtempSync(join(tmpdir(), 'biodone-copy-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'dist', 'index.mjs');
cpSync(new URL('../dist/index.js', import.meta.url), file);
const second = (await import(pathToFileURL(file).href)) as typeof first;

describe('two copies of this package in a thread', () => {
  it('do not take each other’s primitives for their own', async () => {
    expect(second.KMutex).not.toBe(first.KMutex);
    const memory = new SharedArrayBuffer(2 * first.KSemaphore.BYTES);
    const one = first.KSemaphore.initialize(memory, 0);
    const other = second.KSemaphore.initialize(memory, first.KSemaphore.BYTES);
    const waits = [one.waitAsync({ timeoutMs: 2000 }), other.waitAsync({ timeoutMs: 2000 })];
    other.post();
    await waits[1];
    one.post();
    await waits[0];
  });

  it('wake each other', async () => {
    const mutex = first.KMutex.initialize(new SharedArrayBuffer(first.KMutex.BYTES), 0);
    const view = second.KMutex.attach(mutex.serialize());
    view.enter();
    expect(mutex.owned()).toBe(true);
    const waiting = mutex.enterAsync({ timeoutMs: 2000 });
    await new Promise(setImmediate);
    view.exit();
    expect(await waiting).toBe('OK');
    const lock = first.KRwlock.initialize(new SharedArrayBuffer(first.KRwlock.BYTES), 0);
    lock.enter('reader');
    second.KRwlock.attach(lock.serialize()).exit();
    expect(lock.readHeld()).toBe(false);
  });
});
