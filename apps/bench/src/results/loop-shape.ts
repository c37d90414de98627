/** How a job keeps its I/Os in flight: what the program's own cost depends on. */
export interface LoopShape {
  /** Whether completions are waited for, or come from inside the call, as with engines that block. */
  readonly isQueued: boolean;
  /** How many are handed over together. */
  readonly batchSubmit: number;
  /** How many completions are taken together, at most. */
  readonly batchComplete: number;
}

export function isSameShape(one: LoopShape, other: LoopShape): boolean {
  return one.isQueued === other.isQueued && one.batchSubmit === other.batchSubmit && one.batchComplete === other.batchComplete;
}
