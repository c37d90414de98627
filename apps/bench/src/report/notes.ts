import { REPEATS_WANTED } from '../cli.js';
import type { Environment } from '../environment.js';
import { formatSize } from '../size.js';
import type { Figure } from '../stats/figures.js';
import type { Row } from '../stats/row.js';
import { percent, whole } from './numbers.js';

/** The ratios that the project promises something about, as lines. */
export function formatFigures(figures: readonly Figure[]): string {
  const lines = figures.map(({ id, title, value }) => {
    const text = value === null ? '-' : digits(value.median);
    const spread = value === null ? '' : `(${digits(value.min)}–${digits(value.max)})`;
    return `  ${id.padEnd(28)}${text.padStart(10)} ${spread.padEnd(23)}${title}`;
  });
  return ['Ratios, repeat by repeat, and the harness itself', ...lines].join('\n');
}

function digits(value: number): string {
  return value >= 1000 ? whole(value) : value.toFixed(3);
}

/** Why rows are empty, each reason once. Empty if none is. */
export function formatMissing(rows: readonly Row[]): string {
  const labels = new Map<string, Set<string>>();
  for (const { unavailable, label } of rows) {
    if (unavailable === null) continue;
    const known = labels.get(unavailable) ?? new Set();
    labels.set(unavailable, known.add(label));
  }
  return [...labels].map(([reason, names]) => `- ${[...names].join('; ')}: ${reason}`).join('\n');
}

/** What has to be known to read the table. */
export function formatNotes(environment: Environment): string {
  const { repeats, sliceMs, otherCpuShare, sizeBytes, memoryBytes } = environment;
  const notes = [
    '* Its calls block: it has one I/O in flight, whatever the depth.',
    `IOPS, MB/s (10^6 bytes), CPU and ratios are medians of ${repeats} interleaved repeat${repeats === 1 ? '' : 's'}, ${Math.round(sliceMs)} ms each;`,
    '  in parentheses the least and the most.',
    'Latency is from submission to completion, over all I/Os of all repeats. Each path reads the clock once per I/O, at its',
    '  completion, which counts as the submission of the next one: time spent in a batch or a queue is in it.',
    'CPU is that of the whole process with all its threads, in the program and in the kernel.',
    'O_DIRECT goes to the disk. All else goes through the page cache, read in right before: this is what the paths cost,',
    '  not what the disk does. Writes are not made durable. Percentiles that fewer than ten I/Os exceed are left out.',
  ];
  if (repeats < REPEATS_WANTED) {
    notes.push(`! ${repeats} of ${REPEATS_WANTED} repeats: enough to see that everything works, not for figures to rely on.`);
  }
  if (otherCpuShare > 0.05) {
    notes.push(`! Others took ${percent(otherCpuShare)} of the machine's CPU time meanwhile: the figures suffer from it.`);
  }
  if (sizeBytes > memoryBytes / 2) {
    notes.push(`! ${formatSize(sizeBytes)} may not stay in a memory of ${formatSize(memoryBytes)}: some reads were the disk's.`);
  }
  return notes.join('\n');
}

export function formatEnvironment(environment: Environment): string {
  const { packages, cpus, memoryBytes, loadAverage, otherCpuShare } = environment;
  const versions = Object.entries(packages).map(([name, version]) => `${name.replace('@biodone/', '')} ${version}`);
  const lines: [string, string][] = [
    [
      'CPU',
      `${cpus} × ${environment.cpu}, ${environment.architecture}, governor ${environment.governor}, ${formatSize(memoryBytes)} of memory`,
    ],
    [
      'Kernel',
      `${environment.kernel}, clock ${environment.clockSource}, io_uring ${environment.ioUring === 'available' ? 'available' : 'not available'}`,
    ],
    ['File', `${formatSize(environment.sizeBytes)} on ${environment.fileSystem}, scheduler ${environment.scheduler}`],
    ['Node', `${environment.node}, libuv ${environment.libuv} with ${environment.threadPoolSize} threads`],
    ['biodone', versions.join(', ')],
    [
      'Date',
      `${environment.date}, load ${loadAverage.toFixed(2)} before, other work ${percent(otherCpuShare)} of the CPU time during the run`,
    ],
  ];
  return lines.map(([name, text]) => `${name.padEnd(10)}${text}`).join('\n');
}
