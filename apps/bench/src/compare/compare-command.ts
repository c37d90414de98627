import { tmpdir } from 'node:os';
import { ExitTasks } from '../exit-tasks.js';
import { onInterrupts } from '../interrupts.js';
import { openOutput } from '../output-file.js';
import { choosePlaces } from '../places.js';
import { Progress } from '../progress.js';
import { COMPARISON_FORMATS } from '../report/comparison-report.js';
import { formatSize, parseSize } from '../size.js';
import { TestFile } from '../test-file.js';
import { currentLoad, machineRecord, watchOtherCpu } from '../trust/machine.js';
import { UsageError } from '../usage-error.js';
import { type CompareCommand, parseCompareCommand } from './compare-command-line.js';
import { COMPARE_HELP } from './compare-help.js';
import type { Comparison } from './comparison.js';
import { checkJob, measureSides, type SidesJob } from './measure-sides.js';
import { compareSaved } from './saved-comparison.js';

/** The job, where nothing else is said. */
const DEFAULTS: Readonly<Record<string, string>> = { rw: 'randread', bs: '4k', iodepth: '32', size: '256m', runtime: '1s' };
const FILL_MS_MAX = 60_000;
/** Exit status after Ctrl-C: 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130;

/** `biodone-bench compare`. @returns the exit status @throws UsageError for a request that is wrong */
export async function compareCommand(args: readonly string[]): Promise<number> {
  const command = parseCompareCommand(args);
  if (command.help) {
    console.log(COMPARE_HELP);
    return 0;
  }
  const { subjects, format } = command;
  const saved = subjects.filter((subject) => subject.kind === 'saved');
  if (saved.length > 0) {
    const comparison = compareSaved(saved.map(({ label, path }) => ({ label, path })));
    openOutput(command.output)(COMPARISON_FORMATS[format](comparison));
    return 0;
  }
  return compareLive(command);
}

async function compareLive(command: CompareCommand): Promise<number> {
  const options = withDefaults(command.job);
  const isBuffered = !options.has('direct') || options.get('direct') === '0';
  const interrupt = new AbortController();
  await checkJob(command.subjects, { options, file: null, isBuffered }, interrupt.signal);
  const needsFile = !options.has('filename') && usesFile(command);
  const places = needsFile ? await placesOf(command, options) : null;
  const write = openOutput(command.output);
  const exitTasks = new ExitTasks(['SIGTERM', 'SIGHUP']);
  // A second one does not wait for the report.
  const stopListening = onInterrupts(
    () => interrupt.abort(),
    () => process.exit(INTERRUPTED),
  );
  // Children are in process groups of their own: nobody else ends them.
  exitTasks.add(() => interrupt.abort());
  const progress = new Progress(process.stderr);
  exitTasks.add(() => progress.clear());
  const load = currentLoad();
  const otherCpu = watchOtherCpu();
  const file = places === null ? null : await TestFile.make(places.testFile, places.sizeBytes, exitTasks);
  try {
    const onProgress = (written: number): void => progress.show(`writing the test file · ${formatSize(written)}`);
    await file?.fill(performance.now() + FILL_MS_MAX, onProgress, interrupt.signal);
    const job: SidesJob = { options, file, isBuffered };
    const started = performance.now();
    const measured = await measureSides({
      ...command,
      job,
      signal: interrupt.signal,
      onProgress: (text, share) => progress.show(`${text}${etaText(performance.now() - started, share)}`),
    });
    const { sides, failures } = measured;
    const target = file?.path ?? options.get('filename') ?? null;
    const machine = machineRecord({ target, loadAverage: load, otherCpuShare: otherCpu() });
    const notes = interrupt.signal.aborted ? ['! Interrupted: these are the repeats that were complete.'] : [];
    const comparison: Comparison = {
      comparison: 1,
      sections: [{ title: titleOf(options), sides }],
      machine,
      notes: [...notes, ...notesOf(command, options)],
    };
    progress.clear();
    write(COMPARISON_FORMATS[command.format](comparison));
    for (const failure of failures) console.error(`biodone-bench: ${failure}`);
    if (interrupt.signal.aborted) return INTERRUPTED;
    return failures.length > 0 || sides.every(({ repeats }) => repeats.length === 0) ? 1 : 0;
  } finally {
    stopListening();
    progress.clear();
    await file?.remove();
  }
}

function withDefaults(given: ReadonlyMap<string, string | null>): Map<string, string | null> {
  const options = new Map<string, string | null>(Object.entries(DEFAULTS));
  for (const [name, value] of given) options.set(name, value);
  // A job that ends by its size ends when it likes, and not all sides at the same time.
  if (!given.has('io_size') && !given.has('number_ios')) options.set('time_based', null);
  return options;
}

async function placesOf(command: CompareCommand, options: ReadonlyMap<string, string | null>) {
  const text = options.get('size') ?? '';
  const sizeBytes = parseSize(text);
  if (sizeBytes === null || sizeBytes === 0) {
    throw new UsageError(`--size=${text} is not possible: give bytes as a whole number, with k, m or g, as in --size=256m`);
  }
  const directory = command.directory ?? tmpdir();
  const places = await choosePlaces({ directory, path: null, sizeBytes, seconds: 1, repeats: 1, jsonFile: null });
  return { ...places, sizeBytes };
}

function titleOf(options: ReadonlyMap<string, string | null>): string {
  const text = [...options].map(([name, value]) => (value === null ? name : `${name}=${value}`));
  return text.join(' ');
}

/** Whether a side does the job in a file: stacks of devices do it in themselves. */
function usesFile({ subjects }: Pick<CompareCommand, 'subjects'>): boolean {
  return subjects.some(({ kind }) => kind !== 'device');
}

function notesOf({ subjects, repeats }: CompareCommand, options: ReadonlyMap<string, string | null>): string[] {
  const notes = [
    `Each side did the job ${repeats === 1 ? 'once' : `${repeats} times`}, everything once before anything twice, in a process of its own.`,
  ];
  if (subjects.some(({ kind }) => kind === 'fio')) {
    notes.push("fio's CPU time is that of its whole process, as wait(2) tells it, its start and end included.");
  }
  if (repeats < 5) notes.push(`! ${repeats} of 5 repeats: enough to see that everything works, not for figures to rely on.`);
  if (usesFile({ subjects }) && (!options.has('direct') || options.get('direct') === '0'))
    notes.push('Buffered: the file was read through right before each repeat.');
  return notes;
}

function etaText(elapsedMs: number, share: number): string {
  if (share <= 0) return '';
  return `, ${Math.ceil((elapsedMs / share - elapsedMs) / 1000)} s left`;
}
