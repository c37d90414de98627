import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Environment } from '../environment.js';
import type { ExitTasks } from '../exit-tasks.js';
import { PROGRAM_NAME } from '../program.js';
import type { Figure } from '../stats/figures.js';
import type { Row } from '../stats/row.js';

/** What `--json` writes. */
export interface Report {
  /** The median ratios, by id; null where the machine lacks one of the sides. */
  readonly figures: Readonly<Record<string, number | null>>;
  /** How far the ratios of the repeats lay apart, by id. */
  readonly spread: Readonly<Record<string, { readonly min: number; readonly max: number } | null>>;
  readonly environment: Environment;
  readonly rows: readonly Row[];
}

export function reportOf(figures: readonly Figure[], environment: Environment, rows: readonly Row[]): Report {
  return {
    figures: Object.fromEntries(figures.map(({ id, value }) => [id, value?.median ?? null])),
    spread: Object.fromEntries(figures.map(({ id, value }) => [id, value === null ? null : { min: value.min, max: value.max }])),
    environment,
    rows,
  };
}

/** Whether a text is a report of this program, which a new one may replace. */
export function isReport(text: string): boolean {
  try {
    const { environment } = JSON.parse(text) as { environment?: { program?: unknown } };
    return environment?.program === PROGRAM_NAME;
  } catch {
    return false;
  }
}

/** Writes a report as a whole or not at all: readers never see half of it, and an old one is replaced at the end. */
export function writeReport(file: string, report: Report, exitTasks: ExitTasks): void {
  const partial = `${file}.${process.pid}.part`;
  const fd = openSync(partial, 'wx', 0o666);
  let renamed = false;
  const tidy = exitTasks.add(() => {
    if (!renamed) unlinkSync(partial);
  });
  try {
    try {
      writeFileSync(fd, `${JSON.stringify(report, null, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, file);
    renamed = true;
  } finally {
    tidy();
  }
}
