import type { Side } from '../src/compare/comparison.js';

/** A pair that is compared: fio's side, ours, and for one that is explained Node's, and the two that do nothing. */
export interface AgreementPair {
  readonly id: string;
  readonly title: string;
  /** Whether the sides behind the pair can show where the time of an I/O goes. */
  readonly isExplained?: boolean;
  /** How many measurements of each side make one repeat, whose value is their mean; 1 if it is not said. */
  readonly turns?: number;
}

/** Ours over fio's, pair by pair; empty where a side was not to be had. */
export interface Agreement {
  readonly id: string;
  readonly title: string;
  readonly isExplained: boolean;
  readonly iops: readonly number[];
  readonly p50: readonly number[];
  /** Where ours costs more than 5 % of an I/O, and it can be explained. */
  readonly breakdown: readonly BreakdownRow[] | null;
  /** Why there is nothing, or null. */
  readonly reason: string | null;
}

/** Nanoseconds of one I/O: a part, or the whole. NaN where a side was not to be had. */
export interface BreakdownRow {
  readonly part: string;
  readonly fio: number;
  readonly ours: number;
  readonly node: number;
  /** Ours beyond fio's. */
  readonly extra: number;
}

export function agreementOf(pair: AgreementPair, measured: readonly Side[]): Agreement;

/** One line: whether the medians of IOPS and p50 are both within 10 % of fio's. */
export function verdictOf(agreement: Agreement): string;

/**
 * Where the time of an I/O goes: the whole, and the parts that it is the sum of. All sides were measured in the same series. An engine that does
 * nothing shows what the loop around it costs, with its clock and its statistics; the rest is the way to the system call, and the call.
 */
export function breakdownOf(measured: readonly Side[]): BreakdownRow[];

export function breakdownTable(breakdown: readonly BreakdownRow[]): string[][];

/** What the report has: IOPS by the pair's name, p50 beside it. */
export function figuresOf(found: readonly Agreement[]): { id: string; values: readonly number[] }[];
