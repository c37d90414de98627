import type { IoBuffer } from '@biodone/uring';
import type { Slice } from '../stats/slice.js';
import type { Workload } from '../workload/workload.js';

/** A way from a program to the file: one row in each table. An engine is one file in this folder. */
export interface Engine {
  /** Names it in reports. */
  readonly id: string;
  /** Whether its calls block, so that it has one I/O in flight whatever the workload asks for. */
  readonly synchronous: boolean;
  /** What the row is called, which may depend on what the workload does. */
  label(workload: Workload): string;
  /**
   * Gets everything ready, so that nothing is set up in the timed slices.
   *
   * @throws Unavailable where this machine cannot have it
   */
  open(target: Target): Promise<Session>;
}

/** What an engine is opened on. */
export interface Target {
  /** The test file. */
  readonly path: string;
  /** Whether it is opened with O_DIRECT. */
  readonly direct: boolean;
  /** Memory for a first I/O. */
  readonly buffer: IoBuffer;
}

/** An engine at work on a file. */
export interface Session {
  /**
   * Keeps the workload's depth of I/Os in flight until the slice is over, and returns when the last one is done. Failures of an I/O are told
   * to the slice, or thrown.
   */
  run(slice: Slice): Promise<void> | void;
  close(): Promise<void>;
}

/** Why an engine cannot be had here. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
