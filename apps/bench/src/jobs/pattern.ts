import { bytesOf, ValueError } from './option-values.js';

/** What `rw=` asks for. */
export interface Pattern {
  /** Its name, without a modifier; of two names the one that fio's reports use. */
  readonly name: PatternName;
  readonly reads: boolean;
  readonly writes: boolean;
  readonly trims: boolean;
  readonly random: boolean;
  /** `rw=read:8k`: how far a sequential I/O skips, in bytes. `rw=randread:8`: how many I/Os follow each other before the next random one. */
  readonly modifier: number;
}

const NAMES = [
  'read',
  'write',
  'trim',
  'randread',
  'randwrite',
  'randtrim',
  'rw',
  'randrw',
  'trimwrite',
  'randtrimwrite',
] as const;

type PatternName = (typeof NAMES)[number];

/** The pattern of a text such as `randread` or `write:64k`. */
export function patternOf(text: string): Pattern {
  const [word = '', modifier, more] = text.trim().split(':');
  const name = NAMES.find((known) => known === (word === 'readwrite' ? 'rw' : word));
  if (name === undefined || more !== undefined) throw new ValueError(`is none of ${NAMES.join(', ')}, readwrite`);
  const random = name.startsWith('rand');
  const kind = random ? name.slice('rand'.length) : name;
  return {
    name,
    reads: kind === 'read' || kind === 'rw',
    writes: kind.endsWith('write') || kind === 'rw',
    trims: kind.startsWith('trim'),
    random,
    modifier: modifier === undefined ? 0 : bytesOf(modifier, 1024),
  };
}
