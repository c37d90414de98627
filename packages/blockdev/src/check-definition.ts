import type { DriverDefinition, DriverOption } from './driver-definition.js';
import { MISSING } from './spec-scanner.js';
import { checkScalar, isNumeric, isScalar } from './spec-value.js';

/** @throws TypeError ERR_INVALID_ARG_VALUE for a table that contradicts itself, or under which a spec would have two meanings */
export function checkDefinition({ name, options }: DriverDefinition, isTaken: boolean): void {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) throw wrong(name, 'a name is a small letter, then small letters, digits and hyphens');
  if (name === MISSING) throw wrong(name, 'this word says that there is no device');
  if (isTaken) throw wrong(name, 'a driver of this name is registered: take the other one out first, or choose another name');
  const written = new Set<string>(['driver']);
  for (const [optionName, option] of Object.entries(options)) {
    const fail = (problem: string): TypeError => wrong(name, `option ${optionName}: ${problem}`);
    if (!/^[a-z][A-Za-z0-9]*$/.test(optionName)) throw fail('a name is a small letter, then letters and digits');
    for (const spelling of spellings(optionName, option)) {
      if (written.has(spelling.toLowerCase()))
        throw fail(`"${spelling}" is another option in a text, or the name of the driver in JSON`);
      written.add(spelling.toLowerCase());
    }
    checkOption(option, fail);
  }
  checkPositions(name, options);
}

/** How a text may write the name of an option, in any case of letters. */
export function spellings(name: string, { type }: DriverOption): readonly string[] {
  const short = name.replace(type === 'size' ? /(?<=.)(Bytes|PerSecond)$/ : /(?<=.)PerSecond$/, '');
  return short === name ? [name] : [name, short];
}

/** The options that need no name in a text, in their order. */
export function positionalOptions({ options }: DriverDefinition): readonly string[] {
  const positional = Object.entries(options).filter(([, { position }]) => position !== undefined);
  return positional.sort(([, one], [, other]) => (one.position ?? 0) - (other.position ?? 0)).map(([name]) => name);
}

function checkOption(option: DriverOption, fail: (problem: string) => TypeError): void {
  const { type, choices, secret, required, position } = option;
  if ((type === 'choice') !== (choices !== undefined)) throw fail('choices belong to the type choice, and it needs them');
  if (secret && (type !== 'string' || position !== undefined)) throw fail('a secret is a string, and has no position');
  if (option.default === undefined) return;
  if (required) throw fail('what is required has no default');
  if (!isScalar(type)) throw fail('a device has no default');
  const expected = checkScalar(option.default, option);
  if (expected !== null) throw fail(`the default is not ${expected}`);
}

function checkPositions(name: string, options: DriverDefinition['options']): void {
  const ordered = positionalOptions({ name, options } as DriverDefinition);
  const isCounted = ordered.every((optionName, index) => options[optionName]?.position === index);
  if (!isCounted) throw wrong(name, 'positions count from 0 on, without a gap and none twice');
  for (const [optionName, { type, required }] of Object.entries(options)) {
    if (optionName === ordered.at(-1)) continue;
    if (type === 'devices') throw wrong(name, `option ${optionName}: devices have a position, the last one`);
    if (!ordered.includes(optionName) || required || isNumeric(type)) continue;
    throw wrong(name, `option ${optionName}: what can be left out is a number, or has the last position`);
  }
}

function wrong(name: unknown, problem: string): TypeError {
  return Object.assign(new TypeError(`definition of driver "${String(name)}": ${problem}`), { code: 'ERR_INVALID_ARG_VALUE' });
}
