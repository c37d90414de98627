import type { SpecError, TextSource } from './spec-error.js';

/** A value as it stands in a text. */
export interface ScannedValue {
  readonly text: string;
  /** Where it begins. */
  readonly at: number;
}

/** The name of a driver or an option. Wrong ones are read too, for the message. */
const NAME = /[A-Za-z_$][\w$-]*/y;
/** The name of a driver that has arguments: what follows it tells it from a path. */
const CALLED_NAME = /[A-Za-z_$][\w$-]*(?=:|\s*\()/y;
/** A name with a value. */
const NAMED = /[A-Za-z_$][\w$-]*(?=\s*=)/y;
/** What needs no quotes. */
const BARE = /[^\s,()?"]+/y;
const BARE_IN_QUERY = /[^\s,()?"&]+/y;
const SPACE = /\s*/y;
/** The word for a device that is not there. */
export const MISSING = 'missing';
const MISSING_WORD = /missing(?=\s*[,)])/y;

/** Goes through the text of a spec. */
export class SpecScanner {
  position = 0;
  readonly #text: string;
  readonly #source: TextSource;

  constructor(text: string, source: TextSource) {
    this.#text = text;
    this.#source = source;
  }

  get atEnd(): boolean {
    return this.position === this.#text.length;
  }

  /** The next character; empty at the end. */
  get next(): string {
    return this.#text.charAt(this.position);
  }

  skipSpace(): void {
    this.#match(SPACE);
  }

  /** Takes a character, if it is the next one. */
  take(character: string): boolean {
    if (this.next !== character) return false;
    this.position += 1;
    return true;
  }

  name(): string | null {
    return this.#match(NAME);
  }

  calledName(): string | null {
    return this.#match(CALLED_NAME);
  }

  argumentName(): string | null {
    return this.#match(NAMED);
  }

  /** Takes the word for a device that is not there. */
  takeMissing(): boolean {
    return this.#match(MISSING_WORD) !== null;
  }

  /** A word or a string in quotes; null if there is neither. */
  value(isInQuery: boolean): ScannedValue | null {
    const at = this.position;
    if (this.next === '"') return { text: this.#quoted(), at };
    const text = this.#match(isInQuery ? BARE_IN_QUERY : BARE);
    return text === null ? null : { text, at };
  }

  error(expected: string, suggestion: string | null = null, at: number = this.position): SpecError {
    return this.#source.errorAt(at, expected, suggestion);
  }

  /** Within quotes everything stands for itself, but for `\"` and `\\`. */
  #quoted(): string {
    const start = this.position;
    let value = '';
    for (this.position += 1; !this.atEnd; this.position += 1) {
      const character = this.next;
      if (character === '"') {
        this.position += 1;
        return value;
      }
      if (character !== '\\') {
        value += character;
        continue;
      }
      this.position += 1;
      if (this.next !== '"' && this.next !== '\\') throw this.error('\\" or \\\\, as nothing else follows a backslash in quotes');
      value += this.next;
    }
    throw this.error('a closing quote for this one', null, start);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.#text);
    if (match === null) return null;
    this.position += match[0].length;
    return match[0];
  }
}
