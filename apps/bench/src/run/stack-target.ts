import { type DeviceSpec, formatSpec, openDevice, parseSpec } from '@biodone/blockdev';
import { deviceReason } from '../device-reason.js';
import type { Job } from '../jobs/job.js';
import { UsageError } from '../usage-error.js';

/** What the `device=` of a job stands on. */
export interface Stack {
  /** The files and devices at the bottom that it opens for writing. */
  readonly paths: readonly string[];
  /** Whether opening it makes a new array, cache, overlay or the like of them, whatever they hold. */
  readonly isMade: boolean;
}

/** A stack that has been open once. */
export interface OpenedStack {
  /** What opens it from now on. */
  readonly spec: string;
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  readonly isReadOnly: boolean;
  readonly hasTrims: boolean;
}

/** What a job's stack is. @throws UsageError for what is none */
export function stackOf({ options, place }: Job): Stack {
  let spec: DeviceSpec;
  try {
    spec = parseSpec(options.device);
  } catch (error) {
    throw new UsageError(`${place}: device=${options.device}: ${deviceReason(error)}`);
  }
  const found = { paths: [] as string[], isMade: false };
  collect(spec, found);
  return found;
}

/** Opens a job's stack, which makes it where it says `create`, and closes it. @throws UsageError where that fails */
export async function openStackOnce(job: Job): Promise<OpenedStack> {
  const { isMade } = stackOf(job);
  const { device } = job.options;
  try {
    const opened = await look(device);
    return isMade ? await madeStack(opened) : opened;
  } catch (error) {
    throw new UsageError(`${job.place}: device=${device} cannot be opened: ${deviceReason(error)}`);
  }
}

/** What was made is not made again, where it is still there: memory is not. */
async function madeStack(opened: OpenedStack): Promise<OpenedStack> {
  try {
    return await look(formatSpec(withoutCreate(parseSpec(opened.spec)) as DeviceSpec));
  } catch {
    return opened;
  }
}

async function look(spec: string): Promise<OpenedStack> {
  const device = await openDevice(spec);
  const { sizeBytes, blockSizeBytes } = device.limits;
  const { readOnly, discard } = device.capabilities;
  await device.close();
  return { spec, sizeBytes: sizeBytes ?? 0, blockSizeBytes, isReadOnly: readOnly, hasTrims: discard };
}

function collect(value: unknown, found: { paths: string[]; isMade: boolean }): void {
  if (typeof value !== 'object' || value === null) return;
  const { driver, path, readOnly, create } = value as Partial<DeviceSpec>;
  if (driver === 'file') {
    if (typeof path === 'string' && readOnly !== true) found.paths.push(path);
    return;
  }
  if (create === true) found.isMade = true;
  for (const inner of Object.values(value)) collect(inner, found);
}

/** The `create` of a file harms nothing that is there. */
function withoutCreate(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCreate);
  if (typeof value !== 'object' || value === null || (value as DeviceSpec).driver === 'file') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (name === 'create' ? [] : [[name, withoutCreate(inner)]])),
  );
}
