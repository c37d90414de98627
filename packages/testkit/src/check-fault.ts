import { inspect } from 'node:util';
import { BLOCK_COMPARE_AND_WRITE } from '@biodone/blockdev';
import type { FaultAction, FaultRule } from './fault-rule.js';

type Check = (value: unknown) => boolean;

const isInteger: Check = (value) => Number.isSafeInteger(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isErrno: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const isDelay: Check = (value) => typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY;
const isShare: Check = (value) => typeof value === 'number' && value >= 0 && value <= 1;
const isTimes: Check = (value) => value === Number.POSITIVE_INFINITY || isCount(value);
const isOperation: Check = (value) => isCount(value) && (value as number) <= BLOCK_COMPARE_AND_WRITE;

/** A member of a rule: whether it can be left out, what it may be, and that in words. */
interface Member {
  readonly required?: boolean;
  readonly is: Check;
  readonly what: string;
}

const ERRNO: Member = { is: isErrno, what: 'a positive errno, as EIO of @biodone/uring' };
const COUNT: Member = { is: isCount, what: 'an integer >= 0' };

/** What the kinds of actions have besides. */
const ACTIONS: Readonly<Record<FaultAction['kind'], Readonly<Record<string, Member>>>> = {
  error: { errno: { ...ERRNO, required: true } },
  delay: { delayMs: { is: isDelay, what: 'milliseconds, at least 0', required: true } },
  never: {},
  corrupt: { position: COUNT, lengthBytes: COUNT, mask: COUNT },
  torn: { sectors: { ...COUNT, required: true }, sectorBytes: { is: isErrno, what: 'an integer > 0' }, errno: ERRNO },
  misdirected: { byBytes: { is: isInteger, what: 'an integer', required: true } },
  lost: {},
};

const RULE: Readonly<Record<string, Member>> = {
  action: { is: (value) => typeof value === 'object' && value !== null, what: 'an object with a kind', required: true },
  operations: {
    is: (value) => Array.isArray(value) && value.every(isOperation),
    what: 'an array of operations that reach a driver, as [BLOCK_READ]',
  },
  fromOffset: { is: isCount, what: 'an offset in bytes' },
  beforeOffset: { is: (value) => value === Number.POSITIVE_INFINITY || isCount(value), what: 'an offset in bytes' },
  skip: COUNT,
  times: { is: isTimes, what: 'an integer >= 0, or Infinity' },
  when: { is: (value) => typeof value === 'function', what: 'a function' },
  probability: { is: isShare, what: 'a number from 0 to 1' },
};

/**
 * Checks a rule when it is put in force: one that is wrong would never strike, and a test that waits for it would pass.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE
 */
export function checkRule(rule: FaultRule): void {
  checkMembers('a fault rule', rule, RULE, []);
  const { action } = rule;
  const kinds = Object.keys(ACTIONS);
  if (!Object.hasOwn(ACTIONS, action.kind)) throw wrong('action.kind', `one of ${kinds.join(', ')}`, action.kind);
  checkMembers(`the fault action '${action.kind}'`, action, ACTIONS[action.kind], ['kind']);
}

function checkMembers(what: string, value: unknown, members: Readonly<Record<string, Member>>, others: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw wrong(what, 'an object', value);
  const given = value as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(members, name) || others.includes(name)) continue;
    throw invalid(`${what} has no member '${name}'. It has ${[...others, ...Object.keys(members)].join(', ')}`);
  }
  for (const [name, { required = false, is, what: expected }] of Object.entries(members)) {
    if (given[name] === undefined ? required : !is(given[name])) throw wrong(`${name} of ${what}`, expected, given[name]);
  }
}

/** @throws TypeError ERR_INVALID_ARG_VALUE */
export function wrong(name: string, expected: string, value: unknown): TypeError {
  return invalid(`${name} must be ${expected}. Received ${inspect(value, { depth: 0 })}`);
}

function invalid(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
