import { describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { type Ending, runProgram } from './support/child.js';

describeRing('completions', () => {
  describe.each(['main', 'worker'])('on a thread of the kind %s', (where) => {
    const scenario = (name: string): Promise<Ending> => runProgram('completion-scenarios.mjs', name, where);

    async function linesOf(name: string): Promise<string[]> {
      const { status, signal, stdout, stderr } = await scenario(name);
      expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
      const lines = stdout.trimEnd().split('\n');
      if (where === 'worker') expect(lines.pop()).toBe('exit 0');
      return lines;
    }

    it('that throw are uncaught exceptions, one by one, and the others come all the same', async () => {
      const lines = await linesOf('throws');
      expect(lines.filter((line) => line.startsWith('uncaught'))).toEqual(['uncaught of 0', 'uncaught of 1']);
      const completions = [0, 1, 2, 3].map((index) => `completion ${index}`);
      expect(lines.filter((line) => line.startsWith('completion'))).toEqual(completions);
      for (const index of [0, 1])
        expect(lines.indexOf(`uncaught of ${index}`)).toBeGreaterThan(lines.indexOf(`completion ${index}`));
    });

    it('that throw end the thread where nobody hears of it', async () => {
      const { status, stdout, stderr } = await scenario('throwsUnheard');
      if (where === 'main') expect([status, stderr]).toEqual([1, expect.stringContaining('Error: unheard')]);
      else expect([status, stdout]).toEqual([0, 'error unheard\nexit 1\n']);
    });

    it('that are asynchronous and fail are unhandled rejections', async () => {
      expect(await linesOf('rejects')).toEqual(['unhandled after an await in a completion']);
    });

    it('let promises go on, in long chains and deep ones', async () => {
      expect(await linesOf('awaits')).toEqual([`read ${2000 * 512}`, 'nested 1000']);
    });

    it('that settle a promise have it go on before the event loop turns', async () => {
      expect(await linesOf('settles')).toEqual(['settled 0, turned false']);
    });

    it('that throw in a wait do not take the wait with them', async () => {
      expect(await linesOf('throwsInWait')).toEqual(['waited 1', 'uncaught in a wait']);
    });
  });
});
