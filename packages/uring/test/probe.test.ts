import { release } from 'node:os';
import { OPERATION_NAMES, probe, Ring } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { programPath, run } from './support/child.js';
import { refusal } from './support/seccomp.mjs';

if (refusal !== null) console.warn(`tests without io_uring are skipped: ${refusal}`);

async function probeWithout(errno: string): Promise<{ available: boolean; reason: string; features: number; ring: string }> {
  const program = [programPath('without-io-uring.mjs'), `--errno=${errno}`, programPath('print-probe.mjs')];
  const { status, stdout, stderr } = await run(process.execPath, program);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

describeRing('probe() with io_uring', () => {
  it('says that it is there, and says it again', () => {
    const answer = probe();
    expect(answer).toMatchObject({ available: true, reason: null, kernel: release(), features: expect.any(Number) });
    expect(answer.features & 1).toBe(1);
    expect(answer.featureNames).toContain('SINGLE_MMAP');
    expect(answer.featureNames).toContain('NODROP');
    // Bits that this package has no name for are the newer kernel's.
    expect(answer.featureNames.length).toBeGreaterThan(7);
    const linux5 = ['nop', 'readv', 'writev', 'fsync', 'read', 'write', 'timeout', 'async_cancel', 'link_timeout'];
    expect([...answer.operations]).toEqual(expect.arrayContaining(linux5));
    expect([...answer.operations].every((name) => OPERATION_NAMES.includes(name))).toBe(true);
    const ring = new Ring({ sqEntries: 1, cqEntries: 1 });
    expect(answer.ownMemory).toBe(ring.ownMemory);
    ring.close();
    expect(probe()).toBe(answer);
  });
});

describe.skipIf(refusal !== null)('probe() where seccomp forbids io_uring', () => {
  it('names seccomp and the way out at EPERM', async () => {
    const { available, reason, features, ring } = await probeWithout('EPERM');
    expect({ available, features }).toEqual({ available: false, features: 0 });
    expect(reason).toMatch(/seccomp/);
    expect(reason).toMatch(/EPERM/);
    expect(reason).toMatch(/profile that allows io_uring_setup, io_uring_enter and io_uring_register/);
    expect(ring).toBe('EPERM io_uring_setup');
  });

  it('names an old kernel, seccomp and the way out at ENOSYS', async () => {
    const { available, reason, ring } = await probeWithout('ENOSYS');
    expect(available).toBe(false);
    expect(reason).toMatch(/kernel before 5\.1\b/);
    expect(reason).toMatch(/seccomp/);
    expect(reason).toMatch(/profile that allows io_uring_setup, io_uring_enter and io_uring_register/);
    expect(ring).toBe('ENOSYS io_uring_setup');
  });

  it('runs a program to its own exit status', async () => {
    const launcher = programPath('without-io-uring.mjs');
    const exit = await run(process.execPath, [launcher, '-e', 'process.exit(7)']);
    expect(exit.status).toBe(7);
    const usage = await run(process.execPath, [launcher]);
    expect(usage).toMatchObject({ status: 2, stderr: expect.stringContaining('usage: ') });
  });
});
