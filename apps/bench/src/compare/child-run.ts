import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type FioJob, type Observation, observe } from './observation.js';

/** A program that does the job and prints fio's JSON. */
export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Whether it is fio, whose own figure of CPU time counts only one of its threads. */
  readonly isFio: boolean;
}

/** What came of it. */
export type ChildOutcome =
  | { readonly kind: 'done'; readonly observation: Observation; readonly harnessNs: number | null }
  /** @param isUsage whether the program said that the request was wrong */
  | { readonly kind: 'failed'; readonly reason: string; readonly isUsage: boolean };

/** The kernel counts CPU time of children in these (USER_HZ, which is 100 on all systems that Node runs on). */
const TICK_MICROS = 10_000;

/** Runs the program to its end. Ended with the signal's abort. */
export async function runChild({ file, args, isFio }: ChildCommand, signal: AbortSignal): Promise<ChildOutcome> {
  const cpuBefore = childrenCpuMicros();
  const { status, stdout, stderr } = await collect(file, args, signal);
  if (status !== 0)
    return { kind: 'failed', reason: reasonIn(stderr, stdout) ?? `it ended with ${status}`, isUsage: status === 2 };
  try {
    const json = JSON.parse(stdout.slice(Math.max(0, stdout.indexOf('{')))) as Root;
    const observation = observe(json.jobs);
    const [calibration] = json.biodone?.calibrations ?? [];
    const cpuMicros = cpuBefore === null ? null : (childrenCpuMicros() ?? 0) - cpuBefore;
    return {
      kind: 'done',
      observation: isFio ? { ...observation, cpuMicrosPerIo: perIo(cpuMicros, json.jobs) } : observation,
      harnessNs: calibration === undefined ? null : calibration.nsPerIo * calibration.depth,
    };
  } catch (error) {
    return { kind: 'failed', reason: `it printed no result (${(error as Error).message})`, isUsage: false };
  }
}

interface Root {
  readonly jobs: readonly FioJob[];
  readonly biodone?: { readonly calibrations?: readonly { readonly nsPerIo: number; readonly depth: number }[] };
}

interface Ended {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

function collect(file: string, args: readonly string[], signal: AbortSignal): Promise<Ended> {
  return new Promise((resolve) => {
    // In a group of its own, or Ctrl-C on a terminal would end it before this program has decided what to do.
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], signal, detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? `${file} is not installed` : error.message;
      resolve({ status: error.code ?? error.name, stdout: '', stderr: reason });
    });
    child.on('close', (status, killer) => resolve({ status: status ?? killer ?? 'a signal', stdout, stderr }));
  });
}

/** The line that says what was wrong, without the name of the program. */
function reasonIn(stderr: string, stdout: string): string | null {
  const lines = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((text) => /^(biodone-bench|fio): /.test(text)) ?? lines[0];
  return line?.replace(/^(biodone-bench|fio): /, '').trim() ?? null;
}

function perIo(cpuMicros: number | null, jobs: readonly FioJob[]): number | null {
  const ios = jobs
    .flatMap((job) => ['read', 'write', 'trim'].map((name) => (job[name] as { total_ios?: number } | undefined)?.total_ios ?? 0))
    .reduce((sum, count) => sum + count, 0);
  return cpuMicros === null || ios === 0 ? null : cpuMicros / ios;
}

/** CPU time of all children that have ended, with theirs; null where there is no /proc/self/stat (proc_pid_stat(5), fields 16 and 17). */
function childrenCpuMicros(): number | null {
  try {
    const text = readFileSync('/proc/self/stat', 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) * TICK_MICROS;
  } catch {
    return null;
  }
}
