import { nearestName } from '@biodone/blockdev';
import { invalidType } from './errors.js';

/**
 * Checks the names of the options of a call: one that is written wrong would otherwise be one that is not given.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for a name that there is not, ERR_INVALID_ARG_TYPE for what is no object
 */
export function checkNames(call: string, options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidType('options', `an object, for ${call}`, options);
  }
  for (const name in options) {
    if (!names.includes(name)) throw unknownOption(call, name, names);
  }
}

function unknownOption(call: string, name: string, names: readonly string[]): TypeError {
  const nearest = nearestName(name, names);
  const advice = nearest === null ? `The options are ${names.join(', ')}` : `Did you mean '${nearest}'?`;
  return Object.assign(new TypeError(`${call} has no option '${name}'. ${advice}`), { code: 'ERR_INVALID_ARG_VALUE' });
}
