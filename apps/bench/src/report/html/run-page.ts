import type { RunResult } from '../../results/run-result.js';
import { jobTable } from '../job-table.js';
import { machineLines } from '../machine-text.js';
import { whole } from '../numbers.js';
import { activeDirectionsOf, iopsOf } from '../rates.js';
import { latencyChart, type PlottedSeries, percentileChart, timeChart } from './line-charts.js';
import { page } from './page.js';
import { SERIES_MAX } from './page-data.js';

/** A run as an HTML page with plots. */
export function htmlOfRun(run: RunResult): string {
  const rows = run.jobs.flatMap((job) =>
    activeDirectionsOf(job).map((direction) => ({ job, direction, label: `${job.name} ${direction}` })),
  );
  const plotted: PlottedSeries[] = rows.map(({ job, direction, label }) => ({
    label,
    latencies: job.recorded.directions[direction].total,
    samples: job.samples[direction],
  }));
  const shown = plotted.slice(0, SERIES_MAX);
  const hidden = plotted.length - shown.length;
  const more = hidden === 0 ? '' : ` The first ${SERIES_MAX} of ${plotted.length} are drawn; the table has all.`;
  const bars = rows.map(({ job, direction, label }) => {
    const value = iopsOf(job, direction);
    return { label, value, min: null, max: null, text: whole(value) };
  });
  return page({
    title: `biodone-bench: ${run.jobs.map(({ name }) => name).join(', ')}`,
    summary: `${run.outcome === 'complete' ? 'Complete run' : `Run that is ${run.outcome}`} of ${run.jobs.length} job${run.jobs.length === 1 ? '' : 's'}, ${run.machine.date}.`,
    bars: rows.length < 2 ? [] : [{ title: 'IOPS', hint: 'Over the measured time.', bars }],
    charts: [
      {
        title: 'Latency',
        hint: `How many I/Os took how long, from the beginning of the submission to the completion.${more}`,
        chart: latencyChart(shown),
      },
      {
        title: 'Percentiles',
        hint: `The latency that so many I/Os do not exceed; drawn as far as ten I/Os lie beyond.${more}`,
        chart: percentileChart(shown),
      },
      { title: 'IOPS over time', hint: `From the beginning of the measured time.${more}`, chart: timeChart(shown) },
    ],
    table: jobTable(run),
    notes: notesOf(run),
    machine: machineLines(run.machine),
  });
}

function notesOf({ calibrations, jobs }: RunResult): string[] {
  return [
    ...calibrations.map(({ depth, nsPerIo }) => `An I/O that does nothing takes ${Math.round(nsPerIo)} ns at depth ${depth}.`),
    '~ marks latencies of less than ten times that for all I/Os in flight; - stands where too few I/Os tell.',
    ...jobs.flatMap(({ name, warnings }) => warnings.map((warning) => `${name}: ${warning}`)),
  ];
}
