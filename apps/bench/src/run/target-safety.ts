import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type DeviceSpec, parseSpec } from '@biodone/blockdev';
import { type Job, placeOf } from '../jobs/job.js';
import { specReason } from '../spec-reason.js';
import { quote, UsageError } from '../usage-error.js';

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

/** Options of drivers that write to what is below them when they are opened, whatever the job does. */
const MAKING_OPTIONS = ['create', 'force'];

/**
 * A job's stack, as it may be opened: where the job does not write, files and devices that were not named are opened for reading alone, since
 * some drivers write when they are opened or read.
 *
 * @throws UsageError for what is no stack, for one that the job must not write, and for one that would make or overwrite a file or device by
 * being opened
 */
export function stackOf(job: Job, permissions: Permissions): DeviceSpec {
  const { device } = job.options;
  const place = placeOf(job, 'device');
  let spec: DeviceSpec;
  try {
    spec = parseSpec(device);
  } catch (error) {
    throw new UsageError(`${place}: device=${device} is no stack of devices: ${specReason(error as Error)}`);
  }
  for (const { option, node } of makingNodes(spec)) {
    const path = pathsBelow(node)[0];
    if (path === undefined) continue;
    throw new UsageError(
      `${place}: device=${device}: ${option} would make or overwrite ${quote(path)} before the job begins: make it beforehand, and leave ${option} out`,
    );
  }
  for (const path of pathsBelow(spec)) permissions.check(job, findTarget(path, place));
  return writes(job) ? spec : (forReading(spec, permissions) as DeviceSpec);
}

function forReading(node: unknown, permissions: Permissions): unknown {
  if (Array.isArray(node)) return node.map((inner) => forReading(inner, permissions));
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([key, inner]) => [key, forReading(inner, permissions)]);
  const path = (node as { path?: unknown }).path;
  const isClosed = typeof path === 'string' && !permissions.mayWrite(path);
  return { ...Object.fromEntries(entries), ...(isClosed ? { readOnly: true } : {}) };
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

function pathsBelow(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'path' && typeof inner === 'string' ? [inner] : pathsBelow(inner),
  );
}

/** The devices of a stack with one of MAKING_OPTIONS. */
function makingNodes(node: unknown): { option: string; node: object }[] {
  if (typeof node !== 'object' || node === null) return [];
  const own = Object.entries(node).filter(([key, value]) => value === true && MAKING_OPTIONS.includes(key));
  return [...own.map(([option]) => ({ option, node })), ...Object.values(node).flatMap(makingNodes)];
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
