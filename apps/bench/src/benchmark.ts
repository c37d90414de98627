import type { RunOptions } from './cli.js';
import { describeEnvironment, type Environment } from './environment.js';
import { ExitTasks } from './exit-tasks.js';
import { onInterrupts } from './interrupts.js';
import { type Measured, measure } from './measure.js';
import { choosePlaces } from './places.js';
import { Progress } from './progress.js';
import { reportOf, writeReport } from './report/json.js';
import { formatEnvironment, formatFigures, formatMissing, formatNotes } from './report/notes.js';
import { formatTable } from './report/table.js';
import { formatVerdict } from './report/verdict.js';
import { calibrate } from './run/calibrate.js';
import { BLOCKING_SHAPE } from './run/plan-shape.js';
import { formatSize } from './size.js';
import { type Figure, figuresOf, nullFigure } from './stats/figures.js';
import { rowsOf } from './stats/row.js';
import { TestFile } from './test-file.js';
import { currentLoad, watchOtherCpu } from './trust/machine.js';
import { fioCommand, WORKLOADS } from './workload/workload.js';

/** Filling the file may take this share of the time, or too little is left to measure in. */
const FILL_SHARE_MAX = 0.6;

/** Exit status after Ctrl-C with a report: 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130;

/**
 * The main job: makes the test file, measures, removes the file, prints the table and writes the report.
 *
 * @returns the exit status: 0, or 130 after Ctrl-C
 * @throws UsageError where the request cannot be granted; nothing is left behind then
 */
export async function runBenchmark(options: RunOptions): Promise<number> {
  const places = await choosePlaces(options);
  const exitTasks = new ExitTasks(['SIGTERM', 'SIGHUP']);
  const interruption = new Interruption(exitTasks);
  const loadAverage = currentLoad();
  const otherCpuShare = watchOtherCpu();
  const measured = await measureOn(places.testFile, options, exitTasks, interruption);
  const harness = await measureHarness(measured.repeats);
  const environment = describeEnvironment({
    testFile: places.testFile,
    sizeBytes: options.sizeBytes,
    repeats: measured.repeats,
    sliceMs: measured.sliceMs,
    loadAverage,
    otherCpuShare: otherCpuShare(),
  });
  const { figures, rows } = publish(measured, environment, harness);
  if (interruption.signal.aborted) console.log('\n! Interrupted: these are the repeats that were complete.');
  if (options.showsFio) console.log(`\n${fioCommands(places.testFile, options.sizeBytes)}`);
  if (places.jsonFile !== null) {
    writeReport(places.jsonFile, reportOf(figures, environment, rows), exitTasks);
  }
  return interruption.signal.aborted ? INTERRUPTED : 0;
}

/** Ctrl-C: it ends the measuring with a report of what is complete, or the program, where nothing is, and the second time. */
class Interruption {
  completeRepeats = 0;
  readonly #controller = new AbortController();

  constructor(exitTasks: ExitTasks) {
    const die = (): void => {
      exitTasks.run();
      stopListening();
      process.kill(process.pid, 'SIGINT');
    };
    const stopListening = onInterrupts(() => (this.completeRepeats > 0 ? this.#controller.abort() : die()), die);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }
}

async function measureOn(path: string, options: RunOptions, exitTasks: ExitTasks, interruption: Interruption): Promise<Measured> {
  const { sizeBytes, seconds, repeats } = options;
  const progress = new Progress(process.stderr);
  exitTasks.add(() => progress.clear());
  // performance.now() began with the process, so its start counts too.
  const deadline = seconds * 1000;
  const file = await TestFile.make(path, sizeBytes, exitTasks);
  console.log(`Test file: ${path} (${formatSize(sizeBytes)}), removed at the end, in about ${seconds} s`);
  try {
    await file.fill(deadline * FILL_SHARE_MAX, (writtenBytes) =>
      progress.show(`writing the test file · ${formatSize(writtenBytes)} of ${formatSize(sizeBytes)}`),
    );
    const { signal } = interruption;
    const onRepeat = (complete: number): void => {
      interruption.completeRepeats = complete;
    };
    return await measure({ file, repeats, deadline, progress, signal, onRepeat });
  } finally {
    progress.clear();
    await file.remove();
  }
}

/** What one I/O costs in which nothing is done, as often as everything is measured. */
async function measureHarness(repeats: number): Promise<Figure> {
  const iops: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) iops.push((await calibrate(1, BLOCKING_SHAPE)).nullIops);
  return nullFigure(iops);
}

function fioCommands(path: string, sizeBytes: number): string {
  return [
    'fio does the same so (the first one makes the file):',
    ...WORKLOADS.map((workload) => fioCommand(workload, path, sizeBytes)),
  ].join('\n');
}

function publish({ results }: Measured, environment: Environment, harness: Figure) {
  const rows = rowsOf(results);
  const figures = [...figuresOf(results), harness];
  const parts = [
    formatTable(WORKLOADS, rows),
    formatMissing(rows),
    formatFigures(figures),
    formatEnvironment(environment),
    formatNotes(environment),
    formatVerdict(rows),
  ];
  console.log(`\n${parts.filter((part) => part !== '').join('\n\n')}`);
  return { figures, rows };
}
