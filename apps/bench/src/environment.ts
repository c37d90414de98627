import { dirname } from 'node:path';
import type { MachineRecord } from './results/run-result.js';
import { machineRecord } from './trust/machine.js';

/** The machine and the programs that the main job's figures depend on, and how they were measured. */
export interface Environment extends MachineRecord {
  readonly testFile: string;
  readonly sizeBytes: number;
  readonly repeats: number;
  /** How long each path ran in each repeat of a workload, in the last repeat. */
  readonly sliceMs: number;
}

/** What only the run itself knows. */
export type RunFacts = Pick<Environment, 'testFile' | 'sizeBytes' | 'repeats' | 'sliceMs' | 'loadAverage' | 'otherCpuShare'>;

export function describeEnvironment({ loadAverage, otherCpuShare, ...facts }: RunFacts): Environment {
  // The file itself is gone by now.
  return { ...machineRecord({ target: dirname(facts.testFile), loadAverage, otherCpuShare }), ...facts };
}
