import type { DriverOption, OptionType } from './driver-definition.js';

/** A value of an option that is no device. */
export type ScalarValue = string | number | boolean;

/** A kind of value: how a text writes it, and what it must be in any case. */
interface ScalarType {
  /** What to write, for messages. */
  readonly expected: string;
  /** What a text means; undefined for one that means nothing. */
  parse(text: string): ScalarValue | undefined;
  format(value: ScalarValue): string;
  isValid(value: unknown): boolean;
  readonly minimum?: number;
  readonly maximum?: number;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['t', 2 ** 40],
  ['g', 2 ** 30],
  ['m', 2 ** 20],
  ['k', 2 ** 10],
  ['', 1],
]);

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['yes', true],
  ['0', false],
  ['false', false],
  ['no', false],
]);

const string: ScalarType = {
  expected: 'a string',
  parse: (text) => text,
  format: String,
  isValid: (value) => typeof value === 'string',
};

const TYPES: Readonly<Partial<Record<OptionType, ScalarType>>> = {
  size: {
    expected: 'a size in bytes',
    parse: parseSize,
    format: formatSize,
    isValid: Number.isSafeInteger,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
  },
  integer: {
    expected: 'an integer',
    // A number beyond 2^53 would be another one.
    parse: (text) => (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined),
    format: String,
    isValid: Number.isSafeInteger,
  },
  number: {
    expected: 'a number',
    parse: (text) => (/^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text) && Number.isFinite(Number(text)) ? Number(text) : undefined),
    format: String,
    isValid: Number.isFinite,
  },
  boolean: {
    expected: '0, 1, true, false, yes or no',
    parse: (text) => BOOLEANS.get(text),
    format: (value) => (value ? '1' : '0'),
    isValid: (value) => typeof value === 'boolean',
  },
  string,
  choice: string,
  // The kernel ends a path at a zero.
  path: { ...string, expected: 'a path', isValid: (value) => typeof value === 'string' && value !== '' && !value.includes('\0') },
};

export function isScalar(type: OptionType): boolean {
  return TYPES[type] !== undefined;
}

/** Whether a text writes it with a digit, or a sign, at the beginning. */
export function isNumeric(type: OptionType): boolean {
  return type === 'size' || type === 'integer' || type === 'number';
}

/** @returns undefined if the text means nothing of this kind */
export function parseScalar(text: string, { type }: DriverOption): ScalarValue | undefined {
  return TYPES[type]?.parse(text);
}

export function formatScalar(value: ScalarValue, { type }: DriverOption): string {
  return TYPES[type]?.format(value) ?? '';
}

/** Checks a value against its option. @returns what it should have been, or null if it is right */
export function checkScalar(value: unknown, option: DriverOption): string | null {
  const type = TYPES[option.type];
  if (type === undefined || !type.isValid(value)) return expectedOf(option);
  if (option.choices !== undefined) return option.choices.includes(value as string) ? null : expectedOf(option);
  if (typeof value !== 'number') return null;
  const { minimum = type.minimum ?? Number.NEGATIVE_INFINITY, maximum = type.maximum ?? Number.POSITIVE_INFINITY } = option;
  return value >= minimum && value <= maximum ? null : expectedOf(option);
}

/** What an option takes, in words. */
export function expectedOf(option: DriverOption): string {
  if (option.type === 'device') return 'a device';
  if (option.type === 'devices') return 'one device or more';
  if (option.choices !== undefined) return `one of ${option.choices.join(', ')}`;
  const { minimum, maximum } = option;
  const format = (value: number): string => formatScalar(value, option);
  const least = minimum === undefined ? '' : `, at least ${format(minimum)}`;
  const most = maximum === undefined ? '' : `, at most ${format(maximum)}`;
  return `${TYPES[option.type]?.expected ?? option.type}${least}${most}`;
}

function parseSize(text: string): number | undefined {
  const match = /^(\d+)([kmgt]?)$/i.exec(text);
  if (match === null) return undefined;
  const [, digits = '', unit = ''] = match;
  const bytes = Number(digits) * (UNITS.get(unit.toLowerCase()) ?? 1);
  // Below 2^53 both factors and the product are exact.
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function formatSize(value: ScalarValue): string {
  if (typeof value !== 'number' || value === 0) return String(value);
  for (const [unit, factor] of UNITS) if (value % factor === 0) return `${value / factor}${unit}`;
  return String(value);
}
