import { describe, expect, it } from 'vitest';
import { Explorer } from './explorer/explore.js';
import { instrument } from './explorer/instrument.js';
import { editOf, mutants } from './explorer/mutants.js';
import { allScenarios } from './explorer/scenarios/all.js';

// The explorer is worth as much as the mistakes that it finds: each of these must fail.
describe('the explorer finds seeded mistakes', () => {
  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    (_name, mutant) => {
      const scenario = allScenarios.find(({ name }) => name === mutant.scenario);
      if (scenario === undefined) throw new Error(`there is no scenario "${mutant.scenario}"`);
      const explorer = new Explorer(scenario, instrument(editOf(mutant)));
      let failure: string | undefined;
      let crash: unknown;
      for (let preemptions = 0; preemptions <= 3 && failure === undefined; preemptions++) {
        ({ failure, crash } = explorer.exhaust(preemptions));
      }
      expect(failure).toBeTypeOf('string');
      // A broken promise, not a mutant that does not run.
      expect(crash, failure).toBe(undefined);
    },
    60_000,
  );

  it('and knows at least twenty', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(20);
  });
});
