import type { Agreement } from './agreement-report.mjs';

/** Measures all pairs, one after the other. */
export function measureAgreement(options: {
  readonly repeats: number;
  /** Of each side each time, after a ramp of up to three times that; where the disk is read, each side has its turn twice a repeat. */
  readonly runtimeMs: number;
  readonly size: string;
  /** Where the test files are made, or null for the system's temporary folder. */
  readonly directory: string | null;
}): Agreement[];
