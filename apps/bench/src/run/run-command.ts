import { ExitTasks } from '../exit-tasks.js';
import { onInterrupts } from '../interrupts.js';
import { jobOf } from '../jobs/job.js';
import { parseRunCommand, type RunCommand } from '../jobs/run-command-line.js';
import { commandLineOf } from '../jobs/showcmd.js';
import { openOutput } from '../output-file.js';
import { Progress } from '../progress.js';
import { FORMATS } from '../report/formats.js';
import type { RunResult } from '../results/run-result.js';
import { planRun } from './plan-run.js';
import { RUN_HELP } from './run-help.js';
import { Run } from './run-jobs.js';
import { progressText } from './run-progress.js';
import { Permissions } from './target-safety.js';

const PROGRESS_MS = 500;
/** The exit status of a run that was interrupted: 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130;

/**
 * `biodone-bench run`: runs the jobs and prints what they did.
 *
 * @returns the exit status: 0, 1 where I/O failed or data were wrong, 130 after Ctrl-C
 * @throws UsageError for a request that is wrong: exit status 2, nothing created
 */
export async function runCommand(args: readonly string[]): Promise<number> {
  const command = parseRunCommand(args);
  if (command.help) return say(RUN_HELP);
  const jobs = command.sections.map(jobOf);
  if (command.showCommand) return say(commandLineOf('biodone-bench run', command.sections));
  if (command.parseOnly) return 0;
  const plan = await planRun(jobs, new Permissions(command.destructive, command.readOnly));
  const write = openOutput(command.output);
  const exitTasks = new ExitTasks(['SIGTERM', 'SIGHUP']);
  const run = new Run(plan, exitTasks, command.stallMs);
  const report = (result: RunResult): void =>
    write(command.outputFormats.map((format) => FORMATS[format]?.(result) ?? '').join('\n'));
  const stopWatching = watch(run, command, report);
  const result = await run.run().finally(stopWatching);
  report(result);
  const status = statusOf(result, run.failures);
  if (run.isStuck) endStuck(exitTasks);
  return status;
}

/** A thread in a system call that does not return cannot be ended, and an ordinary exit would wait for it. */
function endStuck(exitTasks: ExitTasks): void {
  console.error('biodone-bench: the kernel does not give back an I/O, so this process ends by SIGKILL');
  exitTasks.run();
  process.kill(process.pid, 'SIGKILL');
}

function say(text: string): number {
  console.log(text);
  return 0;
}

/** Progress on a terminal, reports by time and by SIGUSR1, and Ctrl-C, which ends the run with a report; a second one ends it at once. */
function watch(run: Run, { statusIntervalMs, eta }: RunCommand, report: (result: RunResult) => void): () => void {
  const progress = eta === 'never' ? null : new Progress(process.stderr, eta === 'always');
  const onTick = (): void => {
    run.tick(Date.now());
    progress?.show(progressText(run.threads, Date.now(), run.preparation));
  };
  const timers = [setInterval(onTick, PROGRESS_MS)];
  const reportNow = (): void => {
    // Before that there is nothing to tell of.
    if (!run.threads.some(({ startedAtMs }) => startedAtMs > 0)) return;
    progress?.clear();
    report(run.snapshot());
  };
  if (statusIntervalMs !== null) timers.push(setInterval(reportNow, statusIntervalMs));
  const stopListening = onInterrupts(
    () => run.interrupt(),
    () => process.exit(INTERRUPTED),
  );
  process.on('SIGUSR1', reportNow);
  return () => {
    for (const timer of timers) clearInterval(timer);
    stopListening();
    process.off('SIGUSR1', reportNow);
    progress?.clear();
  };
}

function statusOf({ outcome, jobs }: RunResult, failures: readonly string[]): number {
  for (const { name, errorText } of jobs) if (errorText !== null) console.error(`biodone-bench: job '${name}': ${errorText}`);
  for (const failure of failures) console.error(`biodone-bench: ${failure}`);
  if (failures.length > 0 || jobs.some(({ error }) => error !== 0)) return 1;
  return outcome === 'interrupted' ? INTERRUPTED : 0;
}
