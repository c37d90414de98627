import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type DriverMutant, driverMutants } from './support/driver-mutants.js';

/** Always the same, since what finds a mistake is not to depend on chance; BIODONE_SEED tries others. */
const seed = Number(process.env['BIODONE_SEED'] ?? 7);
const program = fileURLToPath(new URL('support/driver-check.mjs', import.meta.url));
const built = readFileSync(createRequire(import.meta.url).resolve('@biodone/blockdev'), 'utf8');
const names = [...new Set(driverMutants.map(({ check }) => check))];

/** What a check says of the drivers as they are, or with a mistake in them. Its exit status is 0 if it finds nothing wrong. */
function check(name: string, ...edits: Pick<DriverMutant, 'from' | 'to'>[]): Promise<{ status: number | null; said: string }> {
  const child = spawn(process.execPath, [program, name, String(seed), ...(edits.length === 0 ? [] : [JSON.stringify(edits)])]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ status, said }));
  });
}

// The checks are worth as much as the mistakes that they find.
describe('mistakes in the drivers', () => {
  it.each(names)(
    'are not found where there are none, by the check "%s"',
    async (name) => {
      console.log(`the check ${name}: BIODONE_SEED=${seed}`);
      expect(await check(name)).toEqual({ status: 0, said: '' });
      // Neither by the way in which they are made.
      const { from } = driverMutants.find((mutant) => mutant.check === name) as DriverMutant;
      const unchanged = await check(name, { from, to: from });
      expect(unchanged.status, unchanged.said).toBe(0);
    },
    120_000,
  );

  it.each(driverMutants.map((mutant) => [mutant.name, mutant] as const))(
    'are found: %s',
    async (_name, mutant) => {
      expect(built.split(mutant.from).length - 1, 'how often its text occurs').toBe(1);
      const { status, said } = await check(mutant.check, mutant);
      expect(status, `BIODONE_SEED=${seed}`).not.toBe(0);
      // It was run: what is wrong is what it does, not how it is written.
      expect(said).not.toMatch(/SyntaxError|ReferenceError|ERR_MODULE/);
    },
    120_000,
  );

  it('that lose the wake-up of who waits for a cache hold nobody up: there is a second one (rule 9)', async () => {
    const untold = { from: 'this.progress();\n  }\n  #settle(', to: '}\n  #settle(' };
    const unlooked = { from: 'this.#cancelLook ??= this.#timers.after(LOOK_AFTER_MS, this.#look, true);', to: '' };
    for (const { from } of [untold, unlooked]) expect(built.split(from).length - 1, 'how often its text occurs').toBe(1);
    expect(await check('cache waits')).toEqual({ status: 0, said: '' });
    const once = await check('cache waits', untold);
    expect(once.status, once.said).toBe(0);
    expect((await check('cache waits', untold, unlooked)).status).not.toBe(0);
  }, 150_000);

  it('are at least twenty', () => {
    expect(driverMutants.length).toBeGreaterThanOrEqual(20);
  });
});
