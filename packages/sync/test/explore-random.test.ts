import { describe, expect, it } from 'vitest';
import { Explorer } from './explorer/explore.js';
import { instrument } from './explorer/instrument.js';
import { allScenarios, largeScenarios } from './explorer/scenarios/all.js';

// BIODONE_SCHEDULES=1000000 is the nightly run. A failure says its seed; BIODONE_SEED starts there again.
const schedules = Number(process.env['BIODONE_SCHEDULES'] ?? 10_000);
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const modules = instrument((_file, text) => text);

describe(`random priority schedules, from seed ${seed} on`, () => {
  it.each(largeScenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    (_name, scenario) => {
      expect(new Explorer(scenario, modules).sample(schedules, seed, 4)).toEqual({ schedules });
    },
    3_600_000,
  );

  it('the small scenarios too', () => {
    for (const scenario of allScenarios) {
      const count = Math.ceil(schedules / 20);
      expect(new Explorer(scenario, modules).sample(count, seed, 3), scenario.name).toEqual({ schedules: count });
    }
  }, 3_600_000);
});
