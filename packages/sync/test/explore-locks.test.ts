import { describe, expect, it } from 'vitest';
import { Explorer } from './explorer/explore.js';
import { instrument } from './explorer/instrument.js';
import { lockScenarios } from './explorer/scenarios/all.js';

const modules = instrument((_file, text) => text);

describe('all schedules with at most three preemptions', () => {
  it.each(lockScenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    (_name, scenario) => {
      expect(new Explorer(scenario, modules).exhaust(3).failure).toBe(undefined);
    },
    60_000,
  );
});
