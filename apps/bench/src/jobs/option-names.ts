import { nearest } from '../nearest.js';
import { UsageError } from '../usage-error.js';
import type { JobOptions } from './job-options.js';
import { OPTION_ALIASES, OPTION_TABLE } from './option-table.js';
import { reasonAgainst } from './unsupported-options.js';

/** The table's name of an option. @throws UsageError that names the nearest one that is known */
export function optionNameOf(written: string, place: string, prefix = ''): keyof JobOptions {
  const found = findOption(written);
  if (found !== null) return found;
  const reason = reasonAgainst(written);
  if (reason !== null) throw new UsageError(`${place}: ${prefix}${written} is an option of fio, but ${reason}`);
  const meant = nearest(written, knownOptions());
  const advice = meant === null ? 'see biodone-bench run --help for those that exist' : `did you mean ${prefix}${meant}?`;
  throw new UsageError(`${place}: unknown option ${prefix}${written}: ${advice}`);
}

/** The table's name of an option, or null. */
export function findOption(written: string): keyof JobOptions | null {
  if (Object.hasOwn(OPTION_TABLE, written)) return written as keyof JobOptions;
  return Object.hasOwn(OPTION_ALIASES, written) ? (OPTION_ALIASES[written] ?? null) : null;
}

/** All names of options. */
export function knownOptions(): string[] {
  return [...Object.keys(OPTION_TABLE), ...Object.keys(OPTION_ALIASES)];
}
