import type { Job } from '../jobs/job.js';
import type { LatencyKind, PercentileChoice } from '../results/job-result.js';

const KINDS: readonly LatencyKind[] = ['slat', 'clat', 'lat'];

/**
 * Which percentiles a job's reports have. JSON has those of `clat`, as fio's, and of `lat`, by which engines can be compared. For people those of
 * `lat` are enough, unless others are asked for. The terse format has those of `clat`, or those of `lat` where they are asked for, as fio's.
 */
export function percentileChoiceOf({ options, given, globals }: Job): PercentileChoice {
  const isOn = (kind: LatencyKind): boolean => options[`${kind}_percentiles`];
  const isAsked = (kind: LatencyKind): boolean => {
    const name = `${kind}_percentiles`;
    return isOn(kind) && (name in given || name in globals);
  };
  const isShown = (kind: LatencyKind): boolean => isAsked(kind) || (isOn(kind) && (kind === 'lat' || !isOn('lat')));
  const preferred: readonly LatencyKind[] = isAsked('lat') ? ['lat'] : ['clat', 'lat'];
  return {
    list: options.percentile_list,
    json: KINDS.filter(isOn),
    normal: KINDS.filter(isShown),
    terse: preferred.find(isOn) ?? null,
  };
}
