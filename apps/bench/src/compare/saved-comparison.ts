import type { Comparison, Section } from './comparison.js';
import { readSavedResults } from './saved-results.js';

/** A file of saved results, with what it is called. */
export interface SavedFile {
  readonly label: string;
  readonly path: string;
}

/**
 * Puts saved results beside each other: a section for each job, by its name, and a side for each file that has it.
 *
 * @throws UsageError where a file holds no results
 */
export function compareSaved(files: readonly SavedFile[]): Comparison {
  const results = files.map(({ label, path }) => ({ label, saved: readSavedResults(path) }));
  const names = new Set(results.flatMap(({ saved }) => [...saved.keys()]));
  const only = results.every(({ saved }) => saved.size === 1);
  // Files of one job each are compared whatever their jobs are called: fio calls each by its --name.
  const sections: Section[] = only
    ? [{ title: [...names].join(', '), sides: results.map(({ label, saved }) => sideOf(label, [...saved.values()][0])) }]
    : [...names].map((name) => ({ title: name, sides: results.map(({ label, saved }) => sideOf(label, saved.get(name))) }));
  return { comparison: 1, sections, machine: null, notes: [] };
}

function sideOf(label: string, repeats: Section['sides'][number]['repeats'] | undefined): Section['sides'][number] {
  return { label, unavailable: repeats === undefined ? 'it has no such job' : null, repeats: repeats ?? [], harnessNs: null };
}
