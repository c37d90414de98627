import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { refusal } from './support/seccomp.mjs';
import { temporaryFolder } from './support/temporary-folder.js';

const SETTING = '/proc/sys/kernel/io_uring_disabled';

/** Why no process here can have a setting of its own, or null. */
function noNamespace(): string | null {
  if (refusal !== null) return refusal;
  const { status, error, stderr } = spawnSync('unshare', ['-m', 'test', '-e', SETTING], { encoding: 'utf8' });
  return status === 0 ? null : `no mount namespace with ${SETTING}: ${error?.message ?? (stderr || 'there is no such setting')}`;
}

const reason = noNamespace();
if (reason !== null) console.warn(`the tests of kernel.io_uring_disabled are skipped: ${reason}`);

describe.skipIf(reason !== null)('probe() where the administrator has disabled io_uring', () => {
  const folder = temporaryFolder();

  it.each(['1', '2'])('names the setting and the way out: %s', async (value) => {
    // The setting is the whole machine's. A program that sees another value of it, and is refused as that value does, has to do.
    const setting = join(folder, `disabled-${value}`);
    writeFileSync(setting, `${value}\n`);
    const [mount, program] = [
      `mount --bind '${setting}' ${SETTING}`,
      [programPath('without-io-uring.mjs'), programPath('print-probe.mjs')],
    ];
    const script = `${mount} && exec '${process.execPath}' ${program.map((path) => `'${path}'`).join(' ')}`;
    const { status, stdout, stderr } = await run('unshare', ['-m', 'sh', '-c', script]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      available: false,
      reason: `kernel.io_uring_disabled=${value}: the administrator can allow it with sysctl kernel.io_uring_disabled=0`,
    });
  });
});

describe('where there is no io_uring', () => {
  it('the package can be imported, and memory be used', async () => {
    const { status, stdout, stderr } = await run(process.execPath, [programPath('elsewhere.mjs')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      available: false,
      reason: 'io_uring is part of Linux, and this is darwin',
      ring: 'ENOSYS koffi',
      copied: [1, 2, 3],
      address: 0,
    });
  });
});
