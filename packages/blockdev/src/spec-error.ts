import { inspect } from 'node:util';

/** Where a spec is wrong, and what would have been right. */
interface SpecErrorFields {
  /** What stands before the reason in the message. */
  readonly lead: string;
  readonly position: number | null;
  readonly path: string | null;
  readonly expected: string;
  readonly suggestion: string | null;
}

/**
 * A spec of a device is wrong: where, what was expected there, and what may have been meant.
 *
 * ```
 * invalid device spec
 * stripe(64k, fiel:a, file:b)
 *             ^ expected a driver (file, mem, null, …), did you mean "file"?
 * ```
 */
export class SpecError extends Error {
  override readonly name: string = 'SpecError';
  readonly code: string = 'ERR_INVALID_DEVICE_SPEC';
  /** For a text: the index of the character where it goes wrong, from 0 on; otherwise null. */
  readonly position: number | null;
  /** For an object: the JSON pointer (RFC 6901) of what is wrong, `''` for the whole; otherwise null. */
  readonly path: string | null;
  /** What would have been right. */
  readonly expected: string;
  /** What may have been meant; null if nothing is near. */
  readonly suggestion: string | null;

  constructor({ lead, position, path, expected, suggestion }: SpecErrorFields) {
    super(`${lead} expected ${expected}${suggestion === null ? '' : `, did you mean "${suggestion}"?`}`);
    this.position = position;
    this.path = path;
    this.expected = expected;
    this.suggestion = suggestion;
  }
}

/** The spec that somebody gave, as errors speak of it: a text with positions, or an object with paths. */
export interface SpecSource {
  /**
   * @param pointer the JSON pointer of what is wrong
   * @param found its value, if that may be told
   */
  error(pointer: string, expected: string, suggestion?: string | null, found?: unknown): SpecError;
}

/** Errors of an object. */
export const objectSource: SpecSource = {
  error: (path, expected, suggestion = null, found) => {
    const lead = `${LEAD}, at ${path === '' ? 'its top' : `"${path}"`}:${found === undefined ? '' : ` found ${brief(found)},`}`;
    return new SpecError({ lead, position: null, path, expected, suggestion });
  },
};

/** Errors of a text; `places` has the positions of what was read so far, by JSON pointers. */
export class TextSource implements SpecSource {
  readonly places: Map<string, number> = new Map();
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  error(pointer: string, expected: string, suggestion: string | null = null): SpecError {
    let place = pointer;
    // What is missing has no place: that of the device around it has.
    while (!this.places.has(place) && place !== '') place = place.slice(0, place.lastIndexOf('/'));
    return this.errorAt(this.places.get(place) ?? 0, expected, suggestion);
  }

  errorAt(position: number, expected: string, suggestion: string | null = null): SpecError {
    return new SpecError({ lead: pointAt(this.#text, position), position, path: null, expected, suggestion });
  }
}

const LEAD = 'invalid device spec';

/** How much of a text is shown before and after the position. */
const CONTEXT_LENGTH = 60;

/** A line of the text, and under it a caret. */
function pointAt(text: string, position: number): string {
  if (text.trim() === '') return `${LEAD}: it is empty,`;
  const start = Math.max(0, position - CONTEXT_LENGTH);
  const end = Math.min(text.length, position + CONTEXT_LENGTH);
  const shown = printable(concealSecrets(text));
  const before = `${start > 0 ? '…' : ''}${shown.slice(start, position)}`;
  const after = `${shown.slice(position, end)}${end < text.length ? '…' : ''}`;
  // A character outside the basic plane is two units of the string, and one column.
  return `${LEAD}\n${before}${after}\n${' '.repeat([...before].length)}^`;
}

/** What would end the line, or move on a terminal, is shown as a dot. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '·');
}

/** The text of an error ends in logs: whatever looks like a secret is starred out, as long as it is, so that positions stay. */
function concealSecrets(text: string): string {
  return text.replaceAll(
    /\b((?:\w*(?:key|secret|password|passphrase))\s*=\s*)("(?:[^"\\]|\\.)*"?|[^,)&\s]+)/gi,
    (_, name: string, value: string) => name + '*'.repeat(value.length),
  );
}

function brief(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 40, maxArrayLength: 3 });
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
