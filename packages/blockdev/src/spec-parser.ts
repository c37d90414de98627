import { positionalOptions, spellings } from './check-definition.js';
import type { DriverDefinition, DriverOption } from './driver-definition.js';
import { findDriver } from './driver-registry.js';
import { nearestName } from './nearest-name.js';
import type { DeviceSpec, SpecValue } from './spec.js';
import { checkSpec, DEPTH_MAX, driverNames, FILE_DRIVER, pointerTo } from './spec-check.js';
import { type SpecError, type SpecSource, TextSource } from './spec-error.js';
import { SpecScanner } from './spec-scanner.js';
import { expectedOf, isNumeric, parseScalar } from './spec-value.js';

/** No stack that makes sense has a longer text. */
const LENGTH_MAX = 65536;

/**
 * What the text of a spec means. The grammar, with spaces allowed where they separate:
 *
 * ```
 * device    = "missing", where a driver allows it
 *           | driver "(" [ argument *( "," argument ) ] ")"
 *           | driver [ ":" value ] [ "?" option *( "&" option ) ]
 *           | path [ "?" option *( "&" option ) ]
 * argument  = device | value | option
 * option    = name "=" ( value | device )
 * path      = a value that has a "/", begins with "." or is in quotes
 * value     = 1*( any but space , ( ) ? " and, in an option after "?", & )
 *           | DQUOTE *( any but DQUOTE and "\" | "\" DQUOTE | "\\" ) DQUOTE
 * ```
 *
 * A path is a file or a raw block device. Names of options are the driver's, in any case of letters; `Bytes` at the end of a size's, and
 * `PerSecond`, may be left out.
 *
 * @throws SpecError with the position, what was expected, and what may have been meant
 */
export function parseSpec(text: string): DeviceSpec {
  const { spec, source } = parseText(text);
  checkSpec(spec, source);
  return spec;
}

/** @internal */
export interface ParsedText {
  readonly spec: DeviceSpec;
  /** Knows what stands where. */
  readonly source: SpecSource;
}

/** Parses a text; whether the values are in range, and all there, is left to the check that objects go through too. @internal */
export function parseText(text: string): ParsedText {
  const source = new TextSource(text);
  if (text.length > LENGTH_MAX) throw source.errorAt(LENGTH_MAX, `the end, as a spec has at most ${LENGTH_MAX} characters`);
  const scanner = new SpecScanner(text, source);
  const spec = new SpecParser(scanner, source).device('', 1);
  scanner.skipSpace();
  if (!scanner.atEnd) throw scanner.error(`the end of the text${QUOTING}`);
  return { spec, source };
}

const QUOTING = ' (a path with special characters is put in quotes: "…")';

type MutableSpec = { driver: string; [option: string]: SpecValue };

class SpecParser {
  readonly #scanner: SpecScanner;
  readonly #source: TextSource;

  constructor(scanner: SpecScanner, source: TextSource) {
    this.#scanner = scanner;
    this.#source = source;
  }

  device(pointer: string, depth: number): DeviceSpec {
    const scanner = this.#scanner;
    scanner.skipSpace();
    const at = scanner.position;
    this.#source.places.set(pointer, at);
    if (depth > DEPTH_MAX) throw scanner.error(`no more than ${DEPTH_MAX} devices in each other`);
    const called = scanner.calledName();
    if (called === null) return this.#leaf(pointer, at);
    const definition = findDriver(called);
    if (definition === undefined) throw this.#unknownDriver(called, at, null);
    const spec: MutableSpec = { driver: called };
    if (scanner.take(':')) {
      this.#valueAfterColon(spec, definition, pointer);
      this.#query(spec, definition, pointer);
    } else {
      scanner.skipSpace();
      this.#arguments(spec, definition, pointer, depth);
    }
    return spec;
  }

  /** A path, or a driver that is content with its defaults. */
  #leaf(pointer: string, at: number): DeviceSpec {
    const isQuoted = this.#scanner.next === '"';
    const value = this.#scanner.value(false);
    if (value === null) throw this.#scanner.error(`a driver (${driverNames()}) or a path`);
    const isPath = isQuoted || value.text.startsWith('.') || value.text.includes('/');
    const definition = findDriver(isPath ? FILE_DRIVER : value.text);
    if (definition === undefined) throw this.#unknownDriver(value.text, at, `./${value.text}`);
    const spec: MutableSpec = { driver: definition.name };
    if (isPath) spec[positionalOptions(definition)[0] ?? 'path'] = value.text;
    this.#query(spec, definition, pointer);
    return spec;
  }

  #valueAfterColon(spec: MutableSpec, definition: DriverDefinition, pointer: string): void {
    const at = this.#scanner.position;
    const [name = ''] = positionalOptions(definition);
    const option = definition.options[name];
    if (option === undefined || isDevice(option)) {
      throw this.#scanner.error(`"(" instead of ":", as in ${definition.name}(…)`, null, at - 1);
    }
    this.#setScalar(spec, pointer, name, option, false);
  }

  /** `?name=value&name=value` */
  #query(spec: MutableSpec, definition: DriverDefinition, pointer: string): void {
    const scanner = this.#scanner;
    if (!scanner.take('?')) return;
    do {
      const at = scanner.position;
      const written = scanner.name();
      if (written === null)
        throw scanner.error(`an option of ${definition.name} (${Object.keys(definition.options).join(', ')})`);
      const name = this.#optionName(written, definition, at);
      const option = definition.options[name] as DriverOption;
      if (isDevice(option)) throw scanner.error(`${name} within the parentheses of ${definition.name}(…)`, null, at);
      if (!scanner.take('=')) throw scanner.error(`"=" and ${expectedOf(option)}`);
      this.#refuseSecond(spec, name, at);
      this.#setScalar(spec, pointer, name, option, true);
    } while (scanner.take('&'));
  }

  /** `(argument, argument)` */
  #arguments(spec: MutableSpec, definition: DriverDefinition, pointer: string, depth: number): void {
    const scanner = this.#scanner;
    const opening = scanner.position;
    scanner.take('(');
    scanner.skipSpace();
    if (scanner.take(')')) return;
    const unnamed = [...positionalOptions(definition)];
    do {
      scanner.skipSpace();
      const at = scanner.position;
      const written = scanner.argumentName();
      if (written === null) {
        this.#positional(spec, definition, unnamed, pointer, depth);
      } else {
        const name = this.#optionName(written, definition, at);
        scanner.skipSpace();
        scanner.take('=');
        scanner.skipSpace();
        this.#argument(spec, definition, name, at, pointer, depth);
      }
      scanner.skipSpace();
    } while (scanner.take(','));
    if (scanner.take(')')) return;
    if (scanner.atEnd) throw scanner.error('a closing parenthesis for this one', null, opening);
    throw scanner.error(`"," or ")"${QUOTING}`);
  }

  /** The next of the arguments that have no name. */
  #positional(spec: MutableSpec, definition: DriverDefinition, unnamed: string[], pointer: string, depth: number): void {
    const scanner = this.#scanner;
    const at = scanner.position;
    if (scanner.atEnd || scanner.next === ',' || scanner.next === ')') {
      const option = definition.options[unnamed[0] ?? ''];
      throw scanner.error(
        option === undefined ? `an option of ${definition.name}` : `${expectedOf(option)}, or an option with its name`,
      );
    }
    // Numbers begin with a digit, or a sign, and nothing else does: so those that may be left out can be.
    const isNumber = /[-\d]/.test(scanner.next);
    const name = unnamed.find((candidate, index) => {
      const option = definition.options[candidate] as DriverOption;
      if (Object.hasOwn(spec, candidate) && option.type !== 'devices') return false;
      return isNumber || index === unnamed.length - 1 || option.required || !isNumeric(option.type);
    });
    if (name === undefined) throw scanner.error(`an option with its name: ${optionsLeft(definition, spec)}`);
    unnamed.splice(0, unnamed.indexOf(name) + (definition.options[name]?.type === 'devices' ? 0 : 1));
    this.#argument(spec, definition, name, at, pointer, depth);
  }

  #argument(spec: MutableSpec, definition: DriverDefinition, name: string, at: number, pointer: string, depth: number): void {
    const option = definition.options[name] as DriverOption;
    const place = pointerTo(pointer, name);
    if (option.type === 'devices') {
      if (!Object.hasOwn(spec, name)) {
        this.#source.places.set(place, at);
        spec[name] = [];
      }
      const devices = spec[name] as (DeviceSpec | null)[];
      const isMissing = option.mayBeMissing === true && this.#scanner.takeMissing();
      devices.push(isMissing ? null : this.device(pointerTo(place, String(devices.length)), depth + 1));
      return;
    }
    this.#refuseSecond(spec, name, at);
    if (option.type === 'device') spec[name] = this.device(place, depth + 1);
    else this.#setScalar(spec, pointer, name, option, false);
  }

  #setScalar(spec: MutableSpec, pointer: string, name: string, option: DriverOption, isInQuery: boolean): void {
    const value = this.#scanner.value(isInQuery);
    const expected = `for ${name} ${expectedOf(option)}${option.type === 'size' ? ' (such as 4096 or 64k)' : ''}`;
    if (value === null) throw this.#scanner.error(expected);
    if (option.secret) {
      const instead = option.instead === undefined ? 'a file with it' : `${option.instead}=FILE`;
      const reason = `${instead} instead of ${name}, since whoever lists the processes sees what stands here`;
      throw this.#scanner.error(reason, null, value.at);
    }
    const parsed = parseScalar(value.text, option);
    if (parsed === undefined) throw this.#scanner.error(expected, null, value.at);
    this.#source.places.set(pointerTo(pointer, name), value.at);
    spec[name] = parsed;
  }

  #refuseSecond(spec: MutableSpec, name: string, at: number): void {
    if (Object.hasOwn(spec, name)) throw this.#scanner.error(`${name} once: it has a value already`, null, at);
  }

  #optionName(written: string, definition: DriverDefinition, at: number): string {
    const small = written.toLowerCase();
    const options = Object.entries(definition.options);
    const found = options.find(([name, option]) => spellings(name, option).some((spelling) => spelling.toLowerCase() === small));
    if (found !== undefined) return found[0];
    const names = Object.keys(definition.options);
    const all = options.flatMap(([name, option]) => spellings(name, option));
    throw this.#scanner.error(`an option of ${definition.name} (${names.join(', ')})`, nearestName(written, all), at);
  }

  #unknownDriver(word: string, at: number, asPath: string | null): SpecError {
    const names = driverNames();
    const expected = `a driver (${names})${asPath === null ? '' : ' or a path, which has a "/" in it'}`;
    return this.#scanner.error(expected, nearestName(word, names.split(', ')) ?? asPath, at);
  }
}

function isDevice({ type }: DriverOption): boolean {
  return type === 'device' || type === 'devices';
}

function optionsLeft(definition: DriverDefinition, spec: MutableSpec): string {
  const left = Object.keys(definition.options).filter((name) => !Object.hasOwn(spec, name));
  return left.length === 0 ? `${definition.name} has no more` : `${definition.name} has ${left.join(', ')}`;
}
