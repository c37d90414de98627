import { type DeviceSpec, openDevice, parseSpec } from '@biodone/blockdev';
import { deviceReason } from '../device-reason.js';
import { type Job, placeOf } from '../jobs/job.js';
import { UsageError } from '../usage-error.js';

/** What the `device=` of a job says. */
export interface Stack {
  readonly spec: DeviceSpec;
  /** The files and devices at the bottom that it opens for writing. */
  readonly paths: readonly string[];
  /** Whether opening it makes a new array, cache, overlay or the like of them, or forces an old one, whatever they hold. */
  readonly isMade: boolean;
}

/** A stack as a job may open it. */
export interface AllowedStack {
  readonly spec: DeviceSpec;
  readonly isMade: boolean;
  /** Whether it opens for reading what the text would have written to. */
  readonly isForReading: boolean;
}

/** A stack that has been open once. */
export interface OpenedStack {
  /** What opens it from now on. */
  readonly device: DeviceSpec;
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  readonly isReadOnly: boolean;
  readonly hasTrims: boolean;
}

/** Options of drivers that write to what is below them when they are opened, whatever the job does. */
const MAKING_OPTIONS = ['create', 'force'];

/** What a job's stack is. @throws UsageError for what is none */
export function stackOf(job: Job): Stack {
  const { device } = job.options;
  let spec: DeviceSpec;
  try {
    spec = parseSpec(device);
  } catch (error) {
    throw new UsageError(`${placeOf(job, 'device')}: device=${device} is no stack of devices: ${deviceReason(error)}`);
  }
  const found = { spec, paths: [] as string[], isMade: false };
  collect(spec, found);
  return found;
}

/** The stack with those of its files and devices opened for reading alone that may not be written. */
export function forReading(spec: DeviceSpec, mayWrite: (path: string) => boolean): DeviceSpec {
  return changed(spec, (node) =>
    node.driver === 'file' && typeof node['path'] === 'string' && !mayWrite(node['path']) ? { ...node, readOnly: true } : node,
  );
}

/** Opens a job's stack, which makes it where it says `create`, and closes it. @throws UsageError where that fails */
export async function openStackOnce(job: Job, { spec, isMade, isForReading }: AllowedStack): Promise<OpenedStack> {
  try {
    const opened = await look(spec);
    return isMade ? await madeStack(opened) : opened;
  } catch (error) {
    // A cache that is filled by what is read, for example, cannot do without writing.
    const advice = isForReading ? '; for reading alone, since --destructive does not name all of its files' : '';
    throw new UsageError(
      `${placeOf(job, 'device')}: device=${job.options.device} cannot be opened: ${deviceReason(error)}${advice}`,
    );
  }
}

/** What was made is not made again, where it is still there: memory is not. */
async function madeStack(opened: OpenedStack): Promise<OpenedStack> {
  // The `create` of a file harms nothing that is there.
  const made = changed(opened.device, (node) =>
    node.driver === 'file'
      ? node
      : (Object.fromEntries(Object.entries(node).filter(([name]) => name !== 'create')) as DeviceSpec),
  );
  try {
    return await look(made);
  } catch {
    return opened;
  }
}

async function look(device: DeviceSpec): Promise<OpenedStack> {
  const opened = await openDevice(device);
  const { sizeBytes, blockSizeBytes } = opened.limits;
  const { readOnly, discard } = opened.capabilities;
  await opened.close();
  return { device, sizeBytes: sizeBytes ?? 0, blockSizeBytes, isReadOnly: readOnly, hasTrims: discard };
}

function collect(value: unknown, found: { paths: string[]; isMade: boolean }): void {
  if (typeof value !== 'object' || value === null) return;
  const node = value as Partial<DeviceSpec>;
  if (node.driver === 'file') {
    if (typeof node['path'] === 'string' && node['readOnly'] !== true) found.paths.push(node['path']);
    return;
  }
  if (MAKING_OPTIONS.some((option) => node[option] === true)) found.isMade = true;
  for (const inner of Object.values(value)) collect(inner, found);
}

/** A spec with each of its devices changed, those at the bottom first. */
function changed(spec: DeviceSpec, change: (node: DeviceSpec) => DeviceSpec): DeviceSpec {
  const inside = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inside);
    return typeof value === 'object' && value !== null ? changed(value as DeviceSpec, change) : value;
  };
  return change(Object.fromEntries(Object.entries(spec).map(([name, inner]) => [name, inside(inner)])) as DeviceSpec);
}
