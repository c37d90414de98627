import { decimalOf, ValueError } from './option-values.js';

/** When a job has reached its steady state, as `ss=` says. */
export interface SteadyState {
  /** `lat` is the mean time of all I/Os of a round. */
  readonly quantity: 'iops' | 'bw' | 'lat';
  /**
   * `mean`: no value of the window is further from the mean than the limit. `slope`: a line through them rises or falls no more than that a
   * second. `snia`: the five rounds of SNIA's test specification.
   */
  readonly rule: 'mean' | 'slope' | 'snia';
  readonly limit: number;
  /** Whether the limit is in percent of the mean. */
  readonly isPercent: boolean;
}

/** The criterion of a text such as `iops:2%`, `bw_slope:0.1%` or `snia`. */
export function steadyStateOf(text: string): SteadyState {
  const [name = '', limit] = text.trim().split(':');
  if (name === 'snia') return { quantity: 'iops', rule: 'snia', limit: 20, isPercent: true };
  const match = /^(iops|bw|lat)(_slope)?$/.exec(name);
  if (match === null)
    throw new ValueError('is none of iops, iops_slope, bw, bw_slope, lat, lat_slope, snia, with a limit, as in iops:2%');
  if (limit === undefined) throw new ValueError('has no limit, as in iops:2%');
  const isPercent = limit.endsWith('%');
  return {
    quantity: match[1] as 'iops' | 'bw' | 'lat',
    rule: match[2] === undefined ? 'mean' : 'slope',
    limit: decimalOf(limit.replace('%', ''), 0, isPercent ? 100 : Number.MAX_SAFE_INTEGER),
    isPercent,
  };
}
