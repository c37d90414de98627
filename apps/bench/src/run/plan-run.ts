import { existsSync, readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join, resolve } from 'node:path';
import { openFile } from '@biodone/blockdev';
import { IO_ENGINES } from '../io-engines/all.js';
import { type Job, placeOf } from '../jobs/job.js';
import type { Extent } from '../jobs/option-values.js';
import { formatSize } from '../size.js';
import { quote, UsageError } from '../usage-error.js';
import { VERIFY_BLOCK_BYTES_MIN } from '../verify/block-format.js';
import { isState } from '../verify/verify-state.js';
import { blockBytes } from './io-chooser.js';
import type { JobPlan, Target } from './job-plan.js';
import { checkLogFiles } from './log-files.js';
import { depthOf } from './plan-shape.js';
import { RandomMap } from './random-map.js';
import { checkRoom } from './room.js';
import { ShiftRegister } from './shift-register.js';
import { type AllowedStack, type OpenedStack, openStackOnce } from './stack-target.js';
import type { FileToMake } from './target-file.js';
import { type FoundTarget, findTarget, type Permissions, writes } from './target-safety.js';

/** All threads of a run, and what has to be made before they start. */
export interface RunPlan {
  readonly plans: readonly JobPlan[];
  readonly files: readonly FileToMake[];
}

/** What is found out, or planned, for all jobs together. */
interface Making {
  readonly files: Map<string, FileToMake>;
  readonly allowed: Map<Job, AllowedStack>;
  /** Stacks that have been open, by their specs. */
  readonly opened: Map<string, OpenedStack>;
}

/** O_DIRECT takes whole sectors. */
const SECTOR_BYTES = 512;
/** Headers' generations are counted for so many blocks at most. */
const VERIFY_BLOCKS_MAX = 2 ** 28;

/**
 * Finds out where each job works and how much, whether it may, and whether there is room, before anything is created; but a stack that says `create`,
 * whose size only the making tells, is made in here, once all jobs are known to be allowed.
 *
 * @throws UsageError where it cannot, or must not
 */
export async function planRun(jobs: readonly Job[], permissions: Permissions): Promise<RunPlan> {
  const plans: JobPlan[] = [];
  const making: Making = { files: new Map(), allowed: new Map(), opened: new Map() };
  // Of all jobs first: to learn how large a stack is may be to make it.
  for (const job of jobs) {
    permissions.checkReadOnly(job);
    checkBlocks(job);
    if (job.options.device !== '') making.allowed.set(job, permissions.checkStack(job));
  }
  let groupId = -1;
  for (const job of jobs) {
    if (groupId < 0 || job.options.stonewall || job.options.new_group) groupId += 1;
    for (let copy = 0; copy < job.options.numjobs; copy++) {
      const plan = await planThread(job, { copy, number: plans.length, groupId }, permissions, making);
      checkLogFiles(plan);
      plans.push(plan);
    }
  }
  checkMemory(plans);
  const files = [...making.files.values()];
  checkRoom(files);
  return { plans, files };
}

async function planThread(
  job: Job,
  place: { copy: number; number: number; groupId: number },
  permissions: Permissions,
  making: Making,
): Promise<JobPlan> {
  const { options } = job;
  const named = await targetOf(job, place.copy, making);
  const found = named.kind === 'file' ? findTarget(named.path, placeOf(job, 'filename')) : null;
  const target: Target = named.kind === 'file' ? { ...named, isDevice: found?.stats?.isBlockDevice() === true } : named;
  const presentBytes = await presentBytesOf(job, target, found, permissions, making);
  const range = rangeOf(job, place.copy, presentBytes, target);
  if (presentBytes === null && target.kind === 'file')
    addFile(job, target.path, range.startOffset + range.lengthBytes, permissions, making.files);
  const stateFile = resolve(`${options.name.replaceAll(/[^\w.-]/g, '_')}-${place.copy}-verify.state`);
  if (options.verify_state_save) checkStateFile(job, stateFile);
  const least = Math.min(...blockBytes(options).map(({ min }) => min));
  const passBytes = bytesOfExtent(options.io_size, range.lengthBytes) || passBytesOf(job, range.lengthBytes, least);
  const seed = options.randrepeat ? options.randseed : Math.floor(Math.random() * 2 ** 48);
  return {
    job,
    ...place,
    target,
    ...range,
    totalBytes: options.time_based ? Number.POSITIVE_INFINITY : Math.floor(passBytes / least) * least * options.loops,
    totalIos: options.number_ios > 0 && !options.time_based ? options.number_ios * options.loops : Number.POSITIVE_INFINITY,
    seed: seed + place.number * 2 ** 20,
    dataSeed: options.randseed + place.copy,
    stateFile,
  };
}

async function targetOf(job: Job, copy: number, making: Making): Promise<Target> {
  const { options } = job;
  if (options.device !== '') return { kind: 'stack', spec: options.device, device: (await openedStack(job, making)).device };
  if (options.ioengine === 'null') return { kind: 'none' };
  const name = options.filename === '' ? `${options.name}.${copy}.0` : options.filename.replaceAll('\\:', ':');
  return { kind: 'file', path: resolve(join(options.directory, name)), isDevice: false };
}

/** How large the target is, or null where it has to be made. */
async function presentBytesOf(
  job: Job,
  target: Target,
  found: FoundTarget | null,
  permissions: Permissions,
  making: Making,
): Promise<number | null> {
  if (target.kind === 'none') return Number.POSITIVE_INFINITY;
  if (target.kind === 'stack') return (await openedStack(job, making)).sizeBytes;
  if (found === null) return null;
  permissions.check(job, found);
  if (found.stats === null) return null;
  if (target.isDevice) return sizeOfDevice(job, target.path);
  if (!found.stats.isFile())
    throw new UsageError(`${placeOf(job, 'filename')}: ${quote(target.path)} is neither a file nor a block device`);
  return found.stats.size;
}

/** A job's stack, which is opened for the first job that has it. @throws UsageError where it does not do what the job wants */
async function openedStack(job: Job, { allowed, opened }: Making): Promise<OpenedStack> {
  const stack = allowed.get(job) as AllowedStack;
  const key = JSON.stringify(stack.spec);
  const found = opened.get(key) ?? (await openStackOnce(job, stack));
  opened.set(key, found);
  const { blockSizeBytes, isReadOnly, hasTrims } = found;
  const { device, rw, name } = job.options;
  const refuse = (option: 'rw' | 'bs', why: string): never => {
    throw new UsageError(`${placeOf(job, option)}: job '${name}': device=${device} ${why}`);
  };
  if (isReadOnly && writes(job)) refuse('rw', `is for reading, and rw=${rw.name} writes`);
  if (!hasTrims && rw.trims) refuse('rw', `has no trims, and rw=${rw.name} trims`);
  if (blockBytes(job.options).some(({ min, max }) => min % blockSizeBytes !== 0 || max % blockSizeBytes !== 0)) {
    refuse('bs', `has blocks of ${blockSizeBytes} bytes: make bs= a multiple of that`);
  }
  return found;
}

async function sizeOfDevice(job: Job, path: string): Promise<number> {
  try {
    const device = openFile(path, { readOnly: true, engine: 'fs', lock: false });
    const { sizeBytes } = device.limits;
    await device.close();
    return sizeBytes ?? 0;
  } catch (error) {
    throw new UsageError(
      `${placeOf(job, 'filename')}: ${quote(path)} cannot be opened: ${(error as Error).message.split('\n')[0]}`,
    );
  }
}

/** The part of the target that a copy of the job has. */
function rangeOf(
  job: Job,
  copy: number,
  presentBytes: number | null,
  target: Target,
): { startOffset: number; lengthBytes: number } {
  const { options } = job;
  // Of a larger file filesize= says how much there is to work on.
  const filesizeBytes = bytesOfExtent(options.filesize, presentBytes ?? 0) || Number.POSITIVE_INFINITY;
  const whole = presentBytes === null ? bytesOfExtent(options.filesize, 0) : Math.min(presentBytes, filesizeBytes);
  const startOffset = bytesOfExtent(options.offset, whole) + copy * bytesOfExtent(options.offset_increment, whole);
  const asked = bytesOfExtent(options.size, whole);
  const lengthBytes = asked > 0 ? asked : whole - startOffset;
  if (!Number.isFinite(lengthBytes) || (lengthBytes <= 0 && asked === 0 && presentBytes === null)) {
    throw new UsageError(`${job.place}: job '${options.name}' needs size=, how much it works on`);
  }
  const largest = Math.max(...blockBytes(options).map(({ max }) => max));
  // Only a file grows where it is written behind its end.
  const canGrow = writes(job) && target.kind === 'file' && !target.isDevice;
  const isFixed = presentBytes !== null && !canGrow;
  if (isFixed && startOffset + lengthBytes > presentBytes) {
    throw new UsageError(
      `${placeOf(job, 'size')}: job '${options.name}' reaches to ${startOffset + lengthBytes}, and its target ends at ${presentBytes}: make size= or offset= smaller`,
    );
  }
  if (lengthBytes < largest) {
    throw new UsageError(
      `${placeOf(job, 'size')}: a block of ${largest} bytes does not fit into ${Math.max(0, lengthBytes)}: make size= larger, or bs= smaller`,
    );
  }
  checkMaps(job, lengthBytes);
  return { startOffset, lengthBytes };
}

/** What one pass moves: a sequence that skips, `rw=read:4k`, leaves out what it skips. */
function passBytesOf({ options }: Job, lengthBytes: number, blockBytes: number): number {
  const { rw } = options;
  if (rw.random || rw.modifier === 0) return lengthBytes;
  return (Math.floor((lengthBytes - blockBytes) / (blockBytes + rw.modifier)) + 1) * blockBytes;
}

function bytesOfExtent(extent: Extent, whole: number): number {
  return 'bytes' in extent ? extent.bytes : Math.floor((whole * extent.percent) / 100 / SECTOR_BYTES) * SECTOR_BYTES;
}

function addFile(job: Job, path: string, sizeBytes: number, permissions: Permissions, files: Map<string, FileToMake>): void {
  const { options } = job;
  const { rw, verify } = options;
  if (permissions.isReadOnly)
    throw new UsageError(`${job.place}: ${quote(path)} does not exist, and --readonly forbids to make it`);
  if (verify !== 'none' && !rw.writes)
    throw new UsageError(`${job.place}: ${quote(path)} does not exist, and verify= reads what an earlier run has written`);
  const before = files.get(path);
  const filesizeBytes = 'bytes' in options.filesize ? options.filesize.bytes : 0;
  files.set(path, {
    path,
    sizeBytes: Math.max(sizeBytes, filesizeBytes, before?.sizeBytes ?? 0),
    // Who writes first, and reads only what is there then, needs no data.
    isFilled: (before?.isFilled ?? false) || rw.reads,
    isKept: (before?.isKept ?? false) || !options.unlink,
  });
}

function checkBlocks(job: Job): void {
  const { options } = job;
  const ranges = blockBytes(options);
  const refuse = (why: string): never => {
    throw new UsageError(`${job.place}: job '${options.name}': ${why}`);
  };
  const isDirect = options.direct || !options.buffered;
  if (isDirect && ranges.some(({ min, max }) => min % SECTOR_BYTES !== 0 || max % SECTOR_BYTES !== 0)) {
    refuse(`direct=1 takes blocks of whole sectors of ${SECTOR_BYTES} bytes`);
  }
  if (options.verify === 'none' || options.verify === 'null') return;
  const interval = options.verify_interval > 0 ? options.verify_interval : Math.min(...ranges.map(({ min }) => min));
  if (interval < VERIFY_BLOCK_BYTES_MIN) refuse(`a verified block has at least ${VERIFY_BLOCK_BYTES_MIN} bytes, not ${interval}`);
  if (ranges.some(({ min, max }) => min % interval !== 0 || max % interval !== 0))
    refuse('blocks are no whole numbers of verify_interval=');
  if (
    options.rw.random &&
    options.bsrange === null &&
    options.bssplit === null &&
    ranges.some(({ min }) => min !== ranges[0]?.min)
  ) {
    refuse('verify= needs blocks of one size for reads and writes');
  }
  if (IO_ENGINES[options.ioengine] === IO_ENGINES.null) refuse('ioengine=null keeps no data that verify= could find');
}

/** All buffers of a run; those of jobs that follow `stonewall` are counted as well, since what is given back is not always at once. */
function checkMemory(plans: readonly JobPlan[]): void {
  const bytesOf = (plan: JobPlan): number => depthOf(plan) * Math.max(...blockBytes(plan.job.options).map(({ max }) => max));
  const neededBytes = plans.reduce((sum, plan) => sum + bytesOf(plan), 0);
  const largest = plans.reduce((most, plan) => (bytesOf(plan) > bytesOf(most) ? plan : most), plans[0] as JobPlan);
  if (neededBytes <= freemem()) return;
  throw new UsageError(
    `${placeOf(largest.job, 'iodepth')}: the buffers take ${formatSize(neededBytes)} of memory, and ${formatSize(freemem())} are free: make iodepth=, bs= or numjobs= smaller`,
  );
}

function checkMaps(job: Job, lengthBytes: number): void {
  const { options } = job;
  const blocks = lengthBytes / Math.min(...blockBytes(options).map(({ min }) => min));
  const isEven = options.rw.random && options.random_distribution.kind === 'uniform';
  if (isEven && options.random_generator === 'lfsr' && blocks > ShiftRegister.COUNT_MAX) {
    throw new UsageError(`${job.place}: job '${options.name}' has too many blocks for random_generator=lfsr: take another one`);
  }
  if (isEven && !options.norandommap && !options.softrandommap && blocks > RandomMap.COUNT_MAX) {
    throw new UsageError(
      `${job.place}: job '${options.name}' has too many blocks to touch each once: say softrandommap, or norandommap`,
    );
  }
  if (options.verify !== 'none' && blocks > VERIFY_BLOCKS_MAX) {
    throw new UsageError(`${job.place}: job '${options.name}' has too many blocks to verify: make size= smaller, or bs= larger`);
  }
}

function checkStateFile(job: Job, path: string): void {
  if (!existsSync(path) || isState(readFileSync(path, 'utf8'))) return;
  throw new UsageError(
    `${job.place}: ${quote(path)} is no verify state, and would be overwritten: move it away, or name the job otherwise`,
  );
}
