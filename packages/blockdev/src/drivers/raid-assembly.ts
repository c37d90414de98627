import { EBUSY, EEXIST, EINVAL, SystemError } from '@biodone/uring';
import { ENODEV } from '../errno.js';
import { COMPONENT_FAILED, COMPONENT_GOOD, COMPONENT_REBUILDING, type RaidLabel, ROLE_SPARE } from './raid-label.js';

/** A device with what has been found at its end: null is no label. */
export interface FoundDevice {
  /** Its place among the devices and spares that were given. */
  readonly slot: number;
  readonly label: RaidLabel | null;
  /** What messages call it. */
  readonly name: string;
  /** Whether it was given as a spare. */
  readonly isSpare: boolean;
}

/** How an array is put together. */
export interface AssemblyOptions {
  readonly degraded: boolean;
  readonly force: boolean;
}

/** A component of what was put together. */
interface AssembledComponent {
  readonly slot: number | null;
  readonly state: number;
  readonly rebuiltRows: number;
  readonly reason: string | null;
}

/** Which device is which component, and what it is worth. */
export interface RaidAssembly {
  readonly label: RaidLabel;
  readonly components: readonly AssembledComponent[];
  /** Devices that are spares. */
  readonly spares: readonly number[];
  /** Whether the labels do not say this yet. */
  readonly isChanged: boolean;
  /** Whether one is used that has missed something, because there is no other way. */
  readonly isForced: boolean;
}

/**
 * Finds out from the labels which device is which component, and which have the data. One whose label is older than the newest has missed
 * something and is not used, however good it looks. (One that is older by one only is: the power went while the newest labels were being
 * written, before anything that it lacks was told to be done.)
 *
 * @throws SystemError EINVAL if a device belongs to another array, or to none; ENODEV if a component is missing that was good (unless `degraded`), or
 * too many are; EBUSY if two devices are the same component, or have each been used without the other
 */
export function assembleRaid(found: readonly FoundDevice[], options: AssemblyOptions): RaidAssembly {
  const labelled = found.filter(({ label }) => label !== null);
  const newest = labelled.reduce<RaidLabel | null>(
    (best, { label }) =>
      label !== null && label.role !== ROLE_SPARE && !(best && best.generation >= label.generation) ? label : best,
    null,
  );
  if (newest === null) throw wrong(EINVAL, NO_LABELS);
  for (const device of found) checkBelongs(device, newest, options);
  if (!options.force) for (const device of found) checkApart(device, newest, found);
  const components = newest.components.map((listed, role) => judge(listed, role, found, newest, options));
  const taken = new Set(components.map(({ slot }) => slot));
  const spares = found.filter(
    ({ label, isSpare, slot }) => !taken.has(slot) && (label === null ? isSpare : label.role === ROLE_SPARE),
  );
  const redundancy = newest.level === 0 ? 0 : 1;
  const isForced = options.force && useStale(components, found, newest, redundancy);
  checkEnough(components, newest, redundancy, options);
  const isChanged =
    isForced ||
    components.some(({ state }, role) => state !== newest.components[role]?.state) ||
    components.some(({ slot, state }) => state !== COMPONENT_FAILED && found[slot ?? 0]?.label?.generation !== newest.generation);
  return { label: newest, components, spares: spares.map(({ slot }) => slot), isChanged, isForced };
}

/** @throws SystemError EEXIST if one of the devices belongs to an array already */
export function checkUnlabelled(found: readonly FoundDevice[]): void {
  for (const { label, name } of found) {
    if (label === null) continue;
    const what = label.role === ROLE_SPARE ? 'a spare' : `component ${label.role}`;
    throw wrong(
      EEXIST,
      `${name} is ${what} of the array ${label.uuid}: open that without create, or say force: true to make a new array of its devices`,
    );
  }
}

const NO_LABELS =
  'none of the devices has the label of a component at its end. One that has grown keeps its label where the end was: give it its old size ' +
  'back, or open the part up to there with openSlice. create: true makes a new array, and what was on the devices is lost';

function checkBelongs({ label, name, isSpare }: FoundDevice, { uuid }: RaidLabel, { degraded, force }: AssemblyOptions): void {
  if (label !== null && label.uuid !== uuid) {
    throw wrong(
      EINVAL,
      `${name} belongs to another array, ${label.uuid}, and not to ${uuid}: leave it out ("missing"), or overwrite its last 8192 bytes and give it as a spare`,
    );
  }
  if (label === null && !isSpare && !degraded && !force) {
    throw wrong(
      EINVAL,
      `${name} has no label that can be read, so it is no component of ${uuid}: give it as a spare, to which a missing one is rebuilt, or say degraded: true to go on without it`,
    );
  }
}

/**
 * Components that call each other failed have both been written to since they were last used together, and each has what the other one lacks: whose
 * count of labels is higher says nothing of which is wanted.
 */
function checkApart({ label, name }: FoundDevice, newest: RaidLabel, found: readonly FoundDevice[]): void {
  if (label === null || label.role === ROLE_SPARE || label.components[label.role]?.state !== COMPONENT_GOOD) return;
  if (newest.components[label.role]?.state !== COMPONENT_FAILED || label.components[newest.role]?.state !== COMPONENT_FAILED)
    return;
  const other = found.find((device) => device.label === newest)?.name;
  throw wrong(
    EBUSY,
    `${name} and ${other} have been used apart from each other, and differ: leave one of them out, and rebuild it then as a spare, with its last ` +
      '8192 bytes overwritten',
  );
}

function judge(
  listed: RaidLabel['components'][number],
  role: number,
  found: readonly FoundDevice[],
  newest: RaidLabel,
  { degraded, force }: AssemblyOptions,
): AssembledComponent {
  const own = found
    .filter(({ label }) => label?.role === role)
    .sort((one, other) => (other.label?.generation ?? 0) - (one.label?.generation ?? 0));
  const [first, second] = own;
  if (first !== undefined && second?.label?.generation === first.label?.generation) {
    throw wrong(
      EBUSY,
      `${first.name} and ${second?.name} are both component ${role}, as a copy of a disk is: leave one of them out`,
    );
  }
  // What has missed something is not used, but can be rebuilt.
  const slot = first?.slot ?? null;
  const failed = (reason: string): AssembledComponent => ({
    slot,
    state: COMPONENT_FAILED,
    rebuiltRows: 0,
    reason: slot === null ? 'missing' : reason,
  });
  if (listed.state === COMPONENT_FAILED) return failed('it had failed');
  const generation = first?.label?.generation ?? -1;
  // What is older by one was there when the newest labels were being written.
  if (first !== undefined && generation >= newest.generation - 1) {
    return { slot: first.slot, state: listed.state, rebuiltRows: listed.rebuiltRows, reason: null };
  }
  if (listed.state === COMPONENT_REBUILDING || degraded || force) return failed('stale');
  if (first === undefined) {
    throw wrong(
      ENODEV,
      `component ${role} is missing, and was good: add it, or say degraded: true to go on without it (no label changes before the first write, so you can look first)`,
    );
  }
  throw wrong(
    ENODEV,
    `${first.name}, component ${role}, is stale: its label has generation ${generation}, the newest ${newest.generation}, so it lacks what ` +
      'was written meanwhile. Say degraded: true to go on without it, and rebuild it then',
  );
}

/** Takes the least stale devices where there are not enough others. */
function useStale(
  components: AssembledComponent[],
  found: readonly FoundDevice[],
  newest: RaidLabel,
  redundancy: number,
): boolean {
  let isForced = false;
  const stale = found
    .filter(({ slot, label }) => label !== null && label.role !== ROLE_SPARE && isFailed(components[label.role], slot))
    .sort((one, other) => (other.label?.generation ?? 0) - (one.label?.generation ?? 0));
  for (const { slot, label } of stale) {
    if (countGood(components) >= newest.components.length - redundancy) break;
    components[label?.role ?? 0] = { slot, state: COMPONENT_GOOD, rebuiltRows: 0, reason: null };
    isForced = true;
  }
  return isForced;
}

function isFailed(component: AssembledComponent | undefined, slot: number): boolean {
  return component?.slot === slot && component.state === COMPONENT_FAILED;
}

function countGood(components: readonly AssembledComponent[]): number {
  return components.filter(({ state }) => state === COMPONENT_GOOD).length;
}

function checkEnough(
  components: readonly AssembledComponent[],
  newest: RaidLabel,
  redundancy: number,
  { force }: AssemblyOptions,
): void {
  const good = countGood(components);
  const needed = newest.components.length - redundancy;
  if (good >= needed) return;
  const lost = components.flatMap(({ state, reason }, role) =>
    state === COMPONENT_GOOD ? [] : [`${role} (${reason ?? 'rebuilding'})`],
  );
  const advice = force ? '' : '. force: true takes a stale one as it is: what it has missed is lost';
  throw wrong(ENODEV, `of ${needed} components that it takes, ${good} are good; not these: ${lost.join(', ')}${advice}`);
}

function wrong(errno: number, message: string): SystemError {
  return new SystemError(errno, 'raid', undefined, message);
}
