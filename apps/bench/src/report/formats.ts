import type { RunResult } from '../results/run-result.js';
import { fioJson } from './fio-json.js';
import { htmlOfRun } from './html/run-page.js';
import { jobTable } from './job-table.js';
import { machineLines } from './machine-text.js';
import { normal } from './normal.js';
import { terse } from './terse.js';
import { csvTable, markdownTable } from './text-table.js';

/** How a run is written, by the names that `--output-format` takes. */
export const FORMATS: Readonly<Record<string, (run: RunResult) => string>> = {
  normal: (run) => normal(run),
  terse: (run) => terse(run),
  json: (run) => jsonText(run, false),
  'json+': (run) => jsonText(run, true),
  markdown: markdownOfRun,
  csv: (run) => csvTable(jobTable(run)),
  html: htmlOfRun,
};

function jsonText(run: RunResult, bins: boolean): string {
  return JSON.stringify(fioJson(run, { bins }), null, 2);
}

function markdownOfRun(run: RunResult): string {
  const machine = machineLines(run.machine).map(([name, text]) => `- ${name}: ${text}`);
  const costs = run.calibrations.map(
    ({ depth, nsPerIo }) => `- Calibration: ${Math.round(nsPerIo)} ns for an I/O that does nothing, depth ${depth}`,
  );
  const marks = 'A `~` marks what is less than ten times that for all I/Os in flight; `-` stands where too few I/Os tell.';
  return [markdownTable(jobTable(run)), '', ...machine, ...costs, '', marks].join('\n');
}
