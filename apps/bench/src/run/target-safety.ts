import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Job, placeOf } from '../jobs/job.js';
import { quote, UsageError } from '../usage-error.js';
import { type AllowedStack, forReading, stackOf } from './stack-target.js';

/** What is at a path that a job wants to use. */
export interface FoundTarget {
  readonly path: string;
  /** Null where nothing is. */
  readonly stats: Stats | null;
}

/** Which of the paths may be written although they are not this program's. */
export class Permissions {
  readonly #named: ReadonlySet<string>;
  /** Nothing may be written at all. */
  readonly isReadOnly: boolean;

  constructor(destructive: readonly string[], isReadOnly: boolean) {
    this.#named = new Set(destructive.map(realPath));
    this.isReadOnly = isReadOnly;
  }

  /** @throws UsageError where the job would write what it must not */
  check(job: Job, found: FoundTarget): void {
    if (!writes(job)) return;
    this.checkReadOnly(job);
    this.#checkPresent(job, found);
  }

  /** A job's stack, as it may be opened. @throws UsageError where what it makes, or writes, is none of this program's */
  checkStack(job: Job): AllowedStack {
    const { spec, paths, isMade } = stackOf(job);
    const place = placeOf(job, 'device');
    const mayWrite = isMade || writes(job);
    for (const path of paths) {
      const found = findTarget(path, place);
      if (this.isReadOnly && (mayWrite || found.stats === null))
        throw new UsageError(`${place}: device=${job.options.device} writes ${quote(path)}, and --readonly forbids it`);
      if (mayWrite) this.#checkPresent(job, found);
    }
    if (mayWrite) return { spec, isMade, isForReading: false };
    // Some drivers write when they are opened or read, whatever the job does.
    const isOpen = (path: string): boolean => this.mayWrite(path) || findTarget(path, place).stats === null;
    return { spec: forReading(spec, isOpen), isMade, isForReading: !paths.every(isOpen) };
  }

  #checkPresent(job: Job, found: FoundTarget): void {
    if (found.stats === null || this.mayWrite(found.path)) return;
    throw new UsageError(
      `${placeOf(job, job.options.device === '' ? 'filename' : 'device')}: ${describe(found)} would be overwritten: say --destructive ${quote(found.path)} if that is meant`,
    );
  }

  /** Whether a file or device that exists may be written, because it was named. */
  mayWrite(path: string): boolean {
    return !this.isReadOnly && this.#named.has(realPath(path));
  }

  /** @throws UsageError for a job that writes in a run that must not */
  checkReadOnly(job: Job): void {
    if (!this.isReadOnly || !writes(job)) return;
    throw new UsageError(`${placeOf(job, 'rw')}: rw=${job.options.rw.name} writes, and --readonly forbids it`);
  }
}

/** Whether a job changes its target. */
export function writes({ options }: Job): boolean {
  return (options.rw.writes && !options.verify_only) || options.rw.trims;
}

/** What is at a path. @throws UsageError where that cannot be found out */
export function findTarget(path: string, place: string): FoundTarget {
  try {
    return { path, stats: statSync(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { path, stats: null };
    throw new UsageError(`${place}: ${quote(path)} cannot be used (${code}): name another file with filename=`);
  }
}

function describe({ path, stats }: FoundTarget): string {
  if (stats?.isBlockDevice() !== true) return `${quote(path)} exists, was not made by this run and`;
  const mounted = mountPointOf(path, stats);
  return mounted === null
    ? `${quote(path)} is a device, and its contents`
    : `${quote(path)} is a device that is mounted at ${quote(mounted)}, and its contents`;
}

/** Where a device is mounted, or null. */
function mountPointOf(path: string, { rdev }: Stats): string | null {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return null;
  }
  const number = `${Math.floor(rdev / 256) % 4096}:${(rdev % 256) + Math.floor(rdev / 2 ** 20) * 256}`;
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const source = fields[fields.indexOf('-') + 2];
    if (fields[2] === number || source === path) return fields[4] ?? null;
  }
  return null;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
