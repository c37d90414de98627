import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { endingOf, programPath, run, runProgram } from './support/child.js';

async function outputOf(scenario: string): Promise<string[]> {
  const ending = await runProgram('process-scenarios.mjs', scenario);
  expect(ending).toMatchObject({ status: 0, signal: null, stderr: '' });
  return ending.stdout.trimEnd().split('\n');
}

describeRing('a process with a ThreadRing', () => {
  it('stays alive while a request is in flight, and no longer', async () => {
    expect(await outputOf('staysAlive')).toEqual(['read 4', 'exit with 0 in flight']);
  });

  it('ends with a ring that is open and idle', async () => {
    expect(await outputOf('endsWhenIdle')).toEqual(['exit with 0 in flight, 0 left']);
  });

  it('is not kept alive by a ring without the event loop', async () => {
    expect(await outputOf('endsWithoutEventLoop')).toEqual(['turned with 1 in flight']);
  });

  it('gets the exceptions of completions as uncaughtException, and all other completions', async () => {
    const lines = await outputOf('exceptions');
    expect(lines.filter((line) => line.startsWith('completion')).sort()).toEqual(
      [0, 1, 2, 3, 4].map((index) => `completion ${index}`),
    );
    expect(lines.filter((line) => line.startsWith('uncaught'))).toEqual(['uncaught of 0', 'uncaught of 2', 'uncaught of 4']);
    expect(lines.at(-1)).toBe('exit with 0 in flight');
  });

  it('ends at an exception that nobody handles', async () => {
    const ending = await runProgram('process-scenarios.mjs', 'exceptionEndsTheProcess');
    expect(ending.status).toBe(1);
    expect(ending.stderr).toContain('Error: nobody catches this');
  });

  it('goes on with promises that completions settle', async () => {
    const expected = [`read ${3000 * 4096}`, 'unhandled rejected in a completion'];
    expect(await outputOf('promises')).toEqual(expected);
  });

  it('does not wait for the next completion when one was delivered before an exception', async () => {
    const expected = ['waited 2, done true, 1 in flight', 'uncaught of another'];
    expect(await outputOf('exceptionInWait')).toEqual(expected);
  });

  it('runs its timers while completions start cached reads for ever', async () => {
    expect(await outputOf('starvesNobody')).toEqual(['timers ran among the reads']);
  });

  it('survives a completion that closes the ring', async () => {
    expect(await outputOf('closeInCompletion')).toEqual(['still turning']);
  });

  it('keeps requests that the kernel has no memory for, turns its event loop, and tries again', async () => {
    expect(await outputOf('shortOfMemory')).toEqual(['polled 0', 'first 0', 'second 0']);
  });

  it('loses no descriptor when a ring cannot be opened for want of them', async () => {
    const limited = 'ulimit -n 64 && exec "$0" "$@"';
    const program = [process.execPath, programPath('process-scenarios.mjs'), 'outOfDescriptors'];
    const { status, stdout, stderr } = await run('sh', ['-c', limited, ...program]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // The ring, the eventfd and both ends of a pipe are needed at once.
    expect(stdout.trimEnd().split('\n')).toEqual(['EMFILE', 'EMFILE', 'EMFILE', 'EMFILE', 'EMFILE', 'opened']);
  });

  it('is woken from wait() by a signal, and the request goes on', async () => {
    const child = spawn(process.execPath, [programPath('process-scenarios.mjs'), 'interrupted']);
    let signals: NodeJS.Timeout | undefined;
    child.stdout.once('data', () => {
      signals = setInterval(() => child.kill('SIGUSR1'), 20);
    });
    const ending = await endingOf(child);
    clearInterval(signals);
    expect(ending.stdout.trimEnd().split('\n')).toEqual(['ready', 'waited EINTR, 1 in flight', 'read 4']);
    expect(ending.status).toBe(0);
  });
});
