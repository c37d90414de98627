import type { Distribution } from '../jobs/distribution.js';
import type { Random } from './random.js';

/** How far the sum of Zipf's law is computed; what comes behind changes it little, and would take long. */
const ZETA_TERMS_MAX = 10_000_000;

/** Draws the number of a block, from 0 to `count - 1`. */
export type BlockDistribution = (random: Random) => number;

/** What draws blocks by a distribution, all of it prepared. */
export function blockDistribution(distribution: Distribution, count: number, blockBytes: number): BlockDistribution {
  switch (distribution.kind) {
    case 'uniform':
      return (random) => random.below(count);
    case 'zipf':
      return zipf(distribution.theta, count);
    case 'pareto':
      return pareto(distribution.power, count);
    case 'normal':
      return normal(distribution.deviationPercent, count);
    case 'zoned':
      return zoned(
        distribution.zones.map(({ accessPercent, sizePercent }) => ({ accessPercent, blocks: (count * sizePercent) / 100 })),
        count,
      );
    case 'zoned_abs':
      return zoned(
        distribution.zones.map(({ accessPercent, bytes }) => ({ accessPercent, blocks: bytes / blockBytes })),
        count,
      );
  }
}

/** Zipf's law as Gray et al. draw it ("Quickly generating billion-record synthetic databases", 1994), ranks spread over the blocks. */
function zipf(theta: number, count: number): BlockDistribution {
  const zeta = zetaOf(theta, Math.min(count, ZETA_TERMS_MAX));
  const exponent = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - zetaOf(theta, 2) / zeta);
  const spread = spreadOver(count);
  return (random) => {
    const fraction = random.fraction();
    const share = fraction * zeta;
    let rank = 0;
    if (share >= 1) rank = share < 1 + 0.5 ** theta ? 1 : Math.floor(count * (eta * fraction - eta + 1) ** exponent);
    return spread(Math.min(count - 1, rank));
  };
}

function zetaOf(theta: number, terms: number): number {
  let sum = 0;
  for (let term = 1; term <= terms; term++) sum += term ** -theta;
  return sum;
}

function pareto(power: number, count: number): BlockDistribution {
  const exponent = Math.log(power) / Math.log(1 - power);
  const spread = spreadOver(count);
  return (random) => spread(Math.min(count - 1, Math.floor((count - 1) * random.fraction() ** exponent)));
}

/** By Box and Muller; what falls outside is drawn again. */
function normal(deviationPercent: number, count: number): BlockDistribution {
  const deviation = (count * deviationPercent) / 100;
  return (random) => {
    for (;;) {
      const radius = Math.sqrt(-2 * Math.log(1 - random.fraction()));
      const block = Math.floor(count / 2 + deviation * radius * Math.cos(2 * Math.PI * random.fraction()));
      if (block >= 0 && block < count) return block;
    }
  };
}

function zoned(zones: readonly { accessPercent: number; blocks: number }[], count: number): BlockDistribution {
  let access = 0;
  let end = 0;
  const limits = zones.map(({ accessPercent, blocks }) => {
    const begin = Math.floor(end);
    access += accessPercent;
    end += blocks;
    return { access, begin, count: Math.max(1, Math.floor(Math.min(end, count)) - begin) };
  });
  return (random) => {
    const drawn = random.below(100);
    const zone = limits.find((limit) => drawn < limit.access);
    if (zone === undefined || zone.begin >= count) return random.below(count);
    return Math.min(count - 1, zone.begin + random.below(zone.count));
  };
}

/** Spreads ranks over the blocks, or the hot ones would all lie at the beginning: multiplication by a number without a common divisor. */
function spreadOver(count: number): (rank: number) => number {
  let step = Math.max(1, Math.floor(count * 0.618_033_988_75));
  while (greatestDivisor(step, count) !== 1) step += 1;
  return (rank) => {
    const high = Math.floor(rank / 2 ** 20);
    const low = rank % 2 ** 20;
    // In two parts: the whole product would not be exact.
    return (((((high * step) % count) * 2 ** 20) % count) + low * step) % count;
  };
}

function greatestDivisor(a: number, b: number): number {
  let [larger, smaller] = [a, b];
  while (smaller !== 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
