import { bytesOf, ValueError } from './option-values.js';

/** What `random_distribution=` asks for. */
export type Distribution =
  | { readonly kind: 'uniform' }
  /** Few blocks are hot: the exponent of Zipf's law. */
  | { readonly kind: 'zipf'; readonly theta: number }
  /** Few blocks are hot: the power of Pareto's law, above 0 and below 1. */
  | { readonly kind: 'pareto'; readonly power: number }
  /** Around the middle: the deviation in percent of the range. */
  | { readonly kind: 'normal'; readonly deviationPercent: number }
  /** Shares of the I/Os on shares of the range, in order. */
  | { readonly kind: 'zoned'; readonly zones: readonly Zone[] }
  /** Shares of the I/Os on parts of the range, in order; an I/O of a zone that is behind the end goes anywhere. */
  | { readonly kind: 'zoned_abs'; readonly zones: readonly AbsoluteZone[] };

interface Zone {
  readonly accessPercent: number;
  readonly sizePercent: number;
}

interface AbsoluteZone {
  readonly accessPercent: number;
  readonly bytes: number;
}

/** The distribution of a text such as `zipf:1.2` or `zoned:60/10:30/20:10/70`. */
export function distributionOf(text: string, kbBase: number): Distribution {
  const [name = '', ...rest] = text.trim().split(':');
  const argument = rest.join(':');
  switch (name) {
    case 'random':
      return { kind: 'uniform' };
    case 'zipf':
      return { kind: 'zipf', theta: numberOf(argument, 1.1, (theta) => theta > 0 && theta !== 1 && theta < 100) };
    case 'pareto':
      return { kind: 'pareto', power: numberOf(argument, 0.2, (power) => power > 0 && power < 1) };
    case 'normal':
      return { kind: 'normal', deviationPercent: numberOf(argument, 0, (deviation) => deviation > 0 && deviation <= 100) };
    case 'zoned':
      return { kind: 'zoned', zones: zonesOf(argument) };
    case 'zoned_abs':
      return { kind: 'zoned_abs', zones: absoluteZonesOf(argument, kbBase) };
    default:
      throw new ValueError(
        'is none of random, zipf:THETA, pareto:POWER, normal:DEVIATION, zoned:ACCESS/SIZE:…, zoned_abs:ACCESS/BYTES:…',
      );
  }
}

function numberOf(text: string, fallback: number, isPossible: (value: number) => boolean): number {
  const value = text === '' ? fallback : Number(text);
  if (!isPossible(value)) throw new ValueError('has an argument that is no number, or out of range');
  return value;
}

function absoluteZonesOf(text: string, kbBase: number): AbsoluteZone[] {
  const zones = text.split(':').map((part) => {
    const [access = '', size = '', more] = part.split('/');
    if (!/^\d+$/.test(access) || size === '' || more !== undefined)
      throw new ValueError('has a zone that is not ACCESS/BYTES, as in 60/10g');
    return { accessPercent: Number(access), bytes: bytesOf(size, kbBase) };
  });
  const sum = zones.reduce((total, { accessPercent }) => total + accessPercent, 0);
  if (sum !== 100) throw new ValueError(`has zones whose accesses add up to ${sum}, not 100`);
  return zones;
}

function zonesOf(text: string): Zone[] {
  const zones = text.split(':').map((part) => {
    const match = /^(\d+)\/(\d+)$/.exec(part);
    if (match === null) throw new ValueError('has a zone that is not ACCESS/SIZE in percent, as in 60/10');
    return { accessPercent: Number(match[1]), sizePercent: Number(match[2]) };
  });
  for (const quantity of ['accessPercent', 'sizePercent'] as const) {
    const sum = zones.reduce((total, zone) => total + zone[quantity], 0);
    if (sum !== 100)
      throw new ValueError(`has zones whose ${quantity === 'accessPercent' ? 'accesses' : 'sizes'} add up to ${sum}, not 100`);
  }
  return zones;
}
