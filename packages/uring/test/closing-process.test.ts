import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { runProgram } from './support/child.js';

describeRing.each(['close', 'closeSync'])('a process that closes rings by %s', (way) => {
  async function linesOf(name: string): Promise<string[]> {
    const { status, signal, stdout, stderr } = await runProgram('closing-scenarios.mjs', name, way);
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    return stdout.trimEnd().split('\n');
  }

  it('gets each exception of the completions, and all the other completions', async () => {
    const lines = await linesOf('throws');
    const of = (word: string): string[] => lines.filter((line) => line.startsWith(word)).sort();
    expect(of('completion')).toEqual(Array.from({ length: 10 }, (_, index) => `completion ${index} -125`));
    expect(of('uncaught')).toEqual([0, 3, 6, 9].map((index) => `uncaught of ${index}`));
    expect(of('closed')).toEqual(['closed true']);
    expect(lines.at(-1)).toBe('exit');
    expect(lines.length).toBe(16);
  });

  it('ends at an exception that nobody handles', async () => {
    const { status, stderr } = await runProgram('closing-scenarios.mjs', 'throwsUnheard', way);
    expect(status).toBe(1);
    expect(stderr).toContain('Error: unheard');
  });

  it('ends by itself, with no descriptor left', async () => {
    expect(await linesOf('ends')).toEqual(['exit with 0 descriptors more']);
  });

  it('does not end before they are closed', async () => {
    expect(await linesOf('staysUntilClosed')).toEqual(['completion -125', 'exit, started false, closed true']);
  });
});
