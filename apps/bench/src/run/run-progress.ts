import { JOB_ENDED, JOB_RAMPING, JOB_RUNNING, JOB_VERIFYING } from './job-control.js';
import { etaSecondsOf } from './job-results.js';
import type { JobThread } from './job-thread-handle.js';

/**
 * What the jobs are doing, in a line: their states by fio's letters, rates since their beginning, and how long it takes yet.
 *
 * @param preparation what is done before the first of them begins
 */
export function progressText(threads: readonly JobThread[], nowMs: number, preparation: string): string {
  if (!threads.some(({ startedAtMs }) => startedAtMs > 0)) return preparation;
  const running = threads.filter(({ startedAtMs, outcome }) => startedAtMs > 0 && outcome === null);
  let ios = 0;
  let bytes = 0;
  for (const { recorder, startedAtMs } of running) {
    const seconds = Math.max(0.001, (nowMs - startedAtMs) / 1000);
    for (const direction of recorder.directions) {
      ios += direction.totalIos / seconds;
      bytes += direction.bytes / seconds;
    }
  }
  const states = threads.map(letterOf).join('');
  const eta = Math.max(0, ...running.map((thread) => etaSecondsOf(thread, nowMs)));
  return `jobs: ${running.length} [${states}] [${(bytes / 2 ** 20).toFixed(1)} MiB/s] [${Math.round(ios)} IOPS] [${eta} s left]`;
}

/** fio's: `C` made, `/` ramping, `r` reading, `w` writing, `m` mixed, `d` trimming, `V` verifying, `_` ended; capitals are random. */
function letterOf({ plan, control, outcome, startedAtMs }: JobThread): string {
  if (outcome !== null || control.state === JOB_ENDED) return '_';
  if (startedAtMs === 0) return 'C';
  if (control.state === JOB_RAMPING) return '/';
  if (control.state === JOB_VERIFYING) return 'V';
  if (control.state !== JOB_RUNNING) return 'I';
  const { reads, writes, trims, random } = plan.job.options.rw;
  const letter = trims ? 'd' : reads && writes ? 'm' : reads ? 'r' : 'w';
  return random ? letter.toUpperCase() : letter;
}
