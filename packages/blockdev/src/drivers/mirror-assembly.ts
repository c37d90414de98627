import { EBUSY, EEXIST, EINVAL, SystemError } from '@biodone/uring';
import { ENODEV } from '../errno.js';
import { LABEL_FAILED, LABEL_GOOD, type MirrorLabel } from './mirror-label.js';

const NO_LABEL =
  'none of the devices has a label at its end. One that has grown keeps its label where the end was: give it its old size back, or open ' +
  'the part up to there with openSlice. create: true makes a new mirror, and copies the first device over the others: only for devices ' +
  'that have never been halves';

/** What a half is to the mirror; see `HalfStatus`. */
export type HalfState = 'good' | 'syncing' | 'rebuilding' | 'failed';

/** What has been found at the end of a device: null is no device, `'none'` no label. */
export type FoundLabel = MirrorLabel | 'none' | null;

/** Which device is which half, and what it is worth. */
export interface Assembly {
  readonly uuid: string;
  readonly generation: number;
  readonly dataBytes: number;
  readonly halves: readonly { readonly device: number | null; readonly state: HalfState; readonly reason: string | null }[];
}

/**
 * Finds out from the labels which halves have the data. A half whose label is older than the newest is stale and is not used, however good it
 * looks; one that is older by one only is copied to.
 *
 * @throws SystemError EINVAL if the devices belong to different mirrors or have no labels, ENODEV if halves are missing that could be newer
 * (unless `degraded`), EBUSY if the halves have been used apart
 */
export function assemble(found: readonly FoundLabel[], degraded: boolean): Assembly {
  const labels = found.map((label, device) => ({ label, device })).filter(isLabelled);
  const newest = labels.reduce<Labelled | null>(
    (best, each) => (best && best.label.generation >= each.label.generation ? best : each),
    null,
  );
  if (newest === null) throw wrong(EINVAL, NO_LABEL);
  const { uuid, generation, dataBytes, dirty, states } = newest.label;
  const stranger = labels.find(({ label }) => label.uuid !== uuid);
  if (stranger) throw wrong(EINVAL, `device ${stranger.device} belongs to another mirror, ${stranger.label.uuid}`);
  if (found.length > states.length)
    throw wrong(EINVAL, `the mirror has ${states.length} halves, these are ${found.length} devices`);
  for (const { label, device } of labels) checkApart(newest, label, device);

  const devices = place(labels, found, states.length);
  const judged = states.map((listed, index) => judge(listed, devices[index] ?? null, found, generation));
  const missing = states.findIndex((listed, index) => listed === LABEL_GOOD && judged[index]?.state === 'failed');
  if (missing >= 0 && !degraded) {
    throw wrong(
      ENODEV,
      `half ${missing} is missing, or what is there is older, and it may have newer data: add it, or say degraded: true to go on without it (no label changes before the first write, so you can look first)`,
    );
  }
  const halves = chooseBehind(judged, states);
  const first = halves.findIndex(({ state }) => state === 'good');
  if (first < 0) throw wrong(ENODEV, 'no half with all of the data is there');
  // What was being written when the system went down may be on some of them only. One is right, the others follow it.
  const settled = halves.map((half, index) =>
    dirty && half.state === 'good' && index !== first ? { ...half, state: 'syncing' as const } : half,
  );
  return { uuid, generation, dataBytes, halves: settled };
}

/** @throws SystemError EEXIST if one of the devices belongs to a mirror already */
export function checkUnlabelled(found: readonly FoundLabel[]): void {
  const device = found.findIndex(isLabel);
  if (device < 0) return;
  const { uuid } = found[device] as MirrorLabel;
  throw wrong(
    EEXIST,
    `device ${device} is a half of the mirror ${uuid}: open it without create, or overwrite its last 8192 bytes first`,
  );
}

interface Labelled {
  readonly label: MirrorLabel;
  readonly device: number;
}

function isLabel(found: FoundLabel | undefined): found is MirrorLabel {
  return found !== null && found !== undefined && found !== 'none';
}

function isLabelled(each: { label: FoundLabel; device: number }): each is Labelled {
  return isLabel(each.label);
}

/** Two halves that call each other failed have both been written to: nobody but their owner knows which data is wanted. */
function checkApart(newest: Labelled, label: MirrorLabel, device: number): void {
  if (device === newest.device) return;
  const calledFailed = newest.label.states[label.index] === LABEL_FAILED && label.states[newest.label.index] === LABEL_FAILED;
  if (!calledFailed || label.states[label.index] !== LABEL_GOOD) return;
  const what = `devices ${newest.device} and ${device} have been used apart from each other and differ`;
  throw wrong(EBUSY, `${what}: open the one that is right alone, with degraded: true, and replace the other`);
}

/** Each device's place is the one in its label; those without stand where there is room. */
function place(labels: readonly Labelled[], found: readonly FoundLabel[], count: number): (number | null)[] {
  const devices = new Array<number | null>(count).fill(null);
  const left = found.flatMap((label, device) => (label === 'none' ? [device] : []));
  for (const { label, device } of [...labels].sort((one, other) => other.label.generation - one.label.generation)) {
    if (label.index < count && devices[label.index] === null) devices[label.index] = device;
    else left.push(device);
  }
  return devices.map((device) => device ?? left.shift() ?? null);
}

function judge(
  listed: number,
  device: number | null,
  found: readonly FoundLabel[],
  generation: number,
): Assembly['halves'][number] {
  if (device === null) return { device, state: 'failed', reason: 'missing' };
  const label = found[device];
  if (!isLabel(label)) return { device, state: 'failed', reason: 'no label' };
  if (listed === LABEL_FAILED) return { device, state: 'failed', reason: 'it had failed' };
  // The power went between the writing of the newest label here and there. All that was told to be done is on both; what came after is not.
  if (label.generation === generation - 1) return { device, state: 'rebuilding', reason: null };
  if (label.generation !== generation) return { device, state: 'failed', reason: 'stale' };
  return { device, state: listed === LABEL_GOOD ? 'good' : 'rebuilding', reason: null };
}

/** Where the newest label has come only to halves that do not have all of the data yet, one of those is read that it has not come to. */
function chooseBehind(halves: Assembly['halves'], states: readonly number[]): Assembly['halves'] {
  if (halves.some(({ state }) => state === 'good')) return halves;
  const first = halves.findIndex(({ state }, index) => state === 'rebuilding' && states[index] === LABEL_GOOD);
  return halves.map((half, index) => (index === first ? { ...half, state: 'good' as const } : half));
}

function wrong(errno: number, message: string): SystemError {
  return new SystemError(errno, 'mirror', undefined, message);
}
