import type { ProbeResult } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { refusal } from './support/seccomp.mjs';

if (refusal !== null) console.warn(`tests of forbidden calls are skipped: ${refusal}`);

const WAY_OUT = /run the container with a profile that allows io_uring_setup, io_uring_enter and io_uring_register/;

/** What probe() says, and what comes of opening a ring, where calls are forbidden. */
async function answerOf(program: readonly string[]): Promise<ProbeResult & { ring: string }> {
  const { status, stdout, stderr } = await run(process.execPath, program);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe.skipIf(refusal !== null)('probe() under a seccomp filter', () => {
  const unavailable = { available: false, features: 0, featureNames: [], ownMemory: false, kernel: expect.any(String) };

  it.each(['EPERM', 'ENOSYS'] as const)('that forbids io_uring with %s names the cause and the way out', async (errno) => {
    const answer = await answerOf([programPath('without-io-uring.mjs'), `--errno=${errno}`, programPath('print-probe.mjs')]);
    expect(answer).toMatchObject({ ...unavailable, ring: `${errno} io_uring_setup` });
    expect(answer.reason).toMatch(/seccomp/);
    expect(answer.reason).toMatch(new RegExp(errno));
    expect(answer.reason).toMatch(WAY_OUT);
    // The filter cannot be told from a kernel that is too old.
    if (errno === 'ENOSYS') expect(answer.reason).toMatch(/kernel before 5\.1\b/);
    else expect(answer.reason).not.toMatch(/kernel before/);
  });

  it.each([
    ['setup', 'EPERM'],
    ['setup', 'ENOSYS'],
    ['enter', 'EPERM'],
    ['enter', 'ENOSYS'],
    ['register', 'EPERM'],
    ['register', 'ENOSYS'],
  ] as const)('that forbids io_uring_%s alone, with %s, is not taken for a working ring', async (only, errno) => {
    const answer = await answerOf([programPath('print-probe.mjs'), only, errno]);
    expect(answer).toMatchObject(unavailable);
    expect(answer.reason).toMatch(/seccomp/);
    expect(answer.reason).toMatch(new RegExp(errno));
    expect(answer.reason).toMatch(WAY_OUT);
  });
});
