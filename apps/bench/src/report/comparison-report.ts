import { type ComparedSide, type Comparison, compareSides, type Section } from '../compare/comparison.js';
import { percentilesOf } from '../trust/percentiles.js';
import type { Bar } from './html/bars.js';
import { latencyChart, type PlottedSeries, percentileChart, timeChart } from './html/line-charts.js';
import { page } from './html/page.js';
import { SERIES_MAX } from './html/page-data.js';
import { percentileText } from './job-table.js';
import { machineLines } from './machine-text.js';
import { duration, factor, NOTHING, range, short, whole } from './numbers.js';
import { type Cell, type Column, csvTable, markdownTable, plainTable, type Table, textCell } from './text-table.js';

const COLUMNS: readonly Column[] = [
  { title: 'side', name: 'side', isNumber: false },
  { title: 'IOPS', name: 'iops', isNumber: true },
  { title: '(min–max)', name: 'iops_range', isNumber: true },
  { title: 'relative', name: 'relative', isNumber: true },
  { title: '', name: 'verdict', isNumber: false },
  { title: 'MB/s', name: 'megabytes_per_second', isNumber: true },
  { title: 'p50', name: 'latency_p50_ns', isNumber: true },
  { title: 'p99', name: 'latency_p99_ns', isNumber: true },
  { title: 'CPU µs/IO', name: 'cpu_us_per_io', isNumber: true },
];

/** How a comparison is written, by the names that `--output-format` takes. */
export const COMPARISON_FORMATS: Readonly<
  Record<'normal' | 'json' | 'markdown' | 'csv' | 'html', (comparison: Comparison) => string>
> = {
  normal: normalText,
  json: (comparison) => JSON.stringify(comparison, null, 2),
  markdown: markdownText,
  csv: csvText,
  html: htmlText,
};

function normalText(comparison: Comparison): string {
  const sections = comparison.sections.map(
    (section) => `${section.title}\n${plainTable(tableOf(section))}${reasonsOf(section, '\n  ')}`,
  );
  const machine =
    comparison.machine === null ? [] : machineLines(comparison.machine).map(([name, text]) => `${name.padEnd(10)}${text}`);
  return [...sections, notesOf(comparison).join('\n'), machine.join('\n')].filter((part) => part !== '').join('\n\n');
}

function markdownText(comparison: Comparison): string {
  const sections = comparison.sections.map(
    (section) => `### ${section.title}\n\n${markdownTable(tableOf(section))}${reasonsOf(section, '\n\n- ')}`,
  );
  const machine = comparison.machine === null ? [] : machineLines(comparison.machine).map(([name, text]) => `- ${name}: ${text}`);
  return [...sections, notesOf(comparison).join('\n'), machine.join('\n')].filter((part) => part !== '').join('\n\n');
}

/** One table with the section in front of each row, and the ends of the range apart. */
function csvText({ sections }: Comparison): string {
  const columns: Column[] = [
    { title: 'section', name: 'section', isNumber: false },
    ...COLUMNS.flatMap((column) =>
      column.name === 'iops_range' ? ['iops_min', 'iops_max'].map((name) => ({ title: name, name, isNumber: true })) : [column],
    ),
  ];
  const rows = sections.flatMap((section) =>
    compareSides(section.sides).map((side) => {
      const [label, iops, , ...others] = rowOf(side) as [Cell, Cell, Cell, ...Cell[]];
      const ends = [side.iops?.min ?? null, side.iops?.max ?? null].map((value) => ({ text: '', value }));
      return [textCell(section.title), label, iops, ...ends, ...others];
    }),
  );
  return csvTable({ columns, rows });
}

function htmlText(comparison: Comparison): string {
  const { sections, machine } = comparison;
  const compared = sections.map((section) => ({ section, sides: compareSides(section.sides) }));
  const [first] = compared;
  const isOne = compared.length === 1;
  const plotted = (first?.sides ?? []).flatMap(plottedOf).slice(0, SERIES_MAX);
  const table = isOne && first !== undefined ? tableOf(first.section) : joinedTable(comparison);
  return page({
    title: 'biodone-bench: comparison',
    summary: isOne ? (first?.section.title ?? '') : `${compared.length} jobs`,
    bars: compared.map(({ section, sides }) => ({
      title: isOne ? 'IOPS' : section.title,
      hint: 'Medians; the thin line is from the least to the most of the repeats.',
      bars: sides.flatMap(barOf),
    })),
    charts:
      isOne && plotted.length > 0
        ? [
            {
              title: 'Latency',
              hint: 'How many I/Os of all repeats took how long, from the beginning of the submission to the completion.',
              chart: latencyChart(plotted),
            },
            {
              title: 'Percentiles',
              hint: 'The latency that so many I/Os do not exceed; drawn as far as ten I/Os lie beyond.',
              chart: percentileChart(plotted),
            },
            {
              title: 'IOPS over time',
              hint: 'Of the last repeat, from the beginning of its measured time; of those sides that tell.',
              chart: timeChart(plotted),
            },
          ]
        : [],
    table,
    notes: [...notesOf(comparison), ...sections.flatMap(({ sides }) => sides.flatMap(reasonOf))],
    machine: machine === null ? [] : machineLines(machine),
  });
}

/** The table of a section. */
function tableOf(section: Section): Table {
  return { columns: COLUMNS, rows: compareSides(section.sides).map(rowOf) };
}

function joinedTable({ sections }: Comparison): Table {
  const columns = [{ title: 'job', name: 'job', isNumber: false }, ...COLUMNS];
  const rows = sections.flatMap((section) => tableOf(section).rows.map((row) => [textCell(section.title), ...row]));
  return { columns, rows };
}

function rowOf(side: ComparedSide): Cell[] {
  const { label, verdict, iops, bytesPerSecond, relative, cpuMicrosPerIo } = side;
  const megabytes = bytesPerSecond === null ? null : bytesPerSecond / 1e6;
  return [
    textCell(label),
    { text: whole(iops?.median ?? null), value: iops?.median ?? null },
    textCell(range(iops?.min ?? null, iops?.max ?? null)),
    { text: factor(relative), value: relative },
    textCell(verdict),
    { text: short(megabytes), value: megabytes },
    latencyCell(side, 50, side.p50Ns),
    latencyCell(side, 99, side.p99Ns),
    { text: short(cpuMicrosPerIo), value: cpuMicrosPerIo },
  ];
}

/** Without bins nothing is known of how many I/Os a percentile tells of. */
function latencyCell({ latencies, harnessNs }: ComparedSide, percent: number, knownNs: number | null): Cell {
  if (latencies === null) return { text: duration(knownNs), value: knownNs };
  const [percentile] = percentilesOf(latencies, harnessNs, [percent]);
  if (percentile === undefined || percentile.doubt === 'few-samples') return { text: NOTHING, value: null };
  return { text: percentileText(percentile), value: percentile.valueNs };
}

function barOf({ label, iops, relative, verdict }: ComparedSide): Bar[] {
  if (iops === null) return [];
  const beside = verdict === 'reference' ? 'reference' : `${factor(relative)}, ${verdict}`;
  return [{ label, value: iops.median, min: iops.min, max: iops.max, text: `${whole(iops.median)}  (${beside})` }];
}

function plottedOf({ label, latencies, samples }: ComparedSide): PlottedSeries[] {
  return latencies === null ? [] : [{ label, latencies: latencies.toData(), samples }];
}

function reasonsOf({ sides }: Section, before: string): string {
  return sides
    .flatMap(reasonOf)
    .map((reason) => before + reason)
    .join('');
}

function reasonOf({ label, unavailable }: { label: string; unavailable: string | null }): string[] {
  return unavailable === null ? [] : [`${label}: ${unavailable}`];
}

function notesOf({ sections, notes }: Comparison): string[] {
  const known = sections.flatMap(({ sides }) => sides).filter(({ harnessNs }) => harnessNs !== null);
  const costs = known.map(({ label, harnessNs }) => `${label} ${duration(harnessNs)}`);
  const cost = `Calibration: what the program itself adds to a latency, as measured with an engine that does nothing: ${costs.join(', ')}.`;
  return [
    'IOPS and CPU are medians, in parentheses the least and the most; where these ranges overlap there is no difference that chance could not make.',
    'Latencies are of all repeats together, from the beginning of the submission to the completion.',
    ...(costs.length === 0 ? [] : [cost, '~ marks latencies of less than ten times that.']),
    ...notes,
  ];
}
