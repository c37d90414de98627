import { ENOENT, SystemError } from '@biodone/uring';

/** How a class chooses the pool of an operation. */
export type BalanceName = 'least-loaded' | 'two-choices' | 'round-robin';

/** An integer from 0 to `below` - 1, all equally likely. */
export type RandomBelow = (below: number) => number;

/** What of a pool counts for the choice. */
interface Balanced {
  /** How many operations are submitted to it and not done. */
  readonly inFlight: number;
}

/** Chooses one of several pools. It allocates nothing. */
export interface Balance {
  choose<T extends Balanced>(pools: readonly T[]): T;
}

/** The pool with the fewest operations; among several of these, the one whose turn it is. */
class LeastLoaded implements Balance {
  #next = 0;

  choose<T extends Balanced>(pools: readonly T[]): T {
    const { length } = pools;
    let index = this.#next < length ? this.#next : 0;
    let best = index;
    let least = (pools[index] as T).inFlight;
    for (let looked = 1; least > 0 && looked < length; looked++) {
      index = index + 1 === length ? 0 : index + 1;
      const load = (pools[index] as T).inFlight;
      if (load >= least) continue;
      least = load;
      best = index;
    }
    this.#next = best + 1;
    return pools[best] as T;
  }
}

/** The one of two different pools, taken at random, that has fewer operations: nearly as good, and it looks at two only. */
class TwoChoices implements Balance {
  readonly #random: RandomBelow;

  constructor(random: RandomBelow) {
    this.#random = random;
  }

  choose<T extends Balanced>(pools: readonly T[]): T {
    const { length } = pools;
    if (length === 1) return pools[0] as T;
    const one = this.#random(length);
    const behind = 1 + this.#random(length - 1);
    const other = one + behind < length ? one + behind : one + behind - length;
    const first = pools[one] as T;
    const second = pools[other] as T;
    return second.inFlight < first.inFlight ? second : first;
  }
}

/** One after the other, whatever they have. */
class RoundRobin implements Balance {
  #next = 0;

  choose<T extends Balanced>(pools: readonly T[]): T {
    const index = this.#next < pools.length ? this.#next : 0;
    this.#next = index + 1;
    return pools[index] as T;
  }
}

const BALANCES: Readonly<Record<BalanceName, new (random: RandomBelow) => Balance>> = {
  'least-loaded': LeastLoaded,
  'two-choices': TwoChoices,
  'round-robin': RoundRobin,
};

/** The ways to choose that a class knows. */
export const balanceNames: readonly BalanceName[] = Object.keys(BALANCES) as BalanceName[];

/** @throws SystemError ENOENT for a name that there is not */
export function makeBalance(name: BalanceName, random: RandomBelow): Balance {
  if (!Object.hasOwn(BALANCES, name)) {
    throw new SystemError(ENOENT, 'balance', undefined, `no balance '${name}'; there are ${balanceNames.join(', ')}`);
  }
  return new BALANCES[name](random);
}

/** Random numbers that are no objects, as those of Math.random would be: Marsaglia's xorshift32. */
export function makeRandom(seed: number): RandomBelow {
  // From a state of 0 it would not move.
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
