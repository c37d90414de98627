import { existsSync } from 'node:fs';
import { parseSpec } from '@biodone/blockdev';
import { deviceReason } from '../device-reason.js';
import { nearest } from '../nearest.js';
import { quote, UsageError } from '../usage-error.js';

/** Engines of `run`, by the names that `--ioengine` takes. */
const ENGINES = ['uring', 'threads', 'sync', 'posixaio', 'promises', 'fs', 'fs-sync', 'fs-promises', 'null'] as const;

/** Something that is compared. */
export type Subject =
  | { readonly kind: 'engine'; readonly label: string; readonly engine: string }
  | { readonly kind: 'fio'; readonly label: string; readonly engine: string }
  | { readonly kind: 'device'; readonly label: string; readonly spec: string }
  | { readonly kind: 'saved'; readonly label: string; readonly path: string };

/**
 * What a word of the command line means: an engine, `fio:` and an engine of fio's, `device:` and a stack (which a word with parentheses is anyway), or
 * a file of saved results.
 *
 * @throws UsageError where it is none of these
 */
export function parseSubject(text: string): Subject {
  if (text.startsWith('fio:') && text.length > 'fio:'.length)
    return { kind: 'fio', label: text, engine: text.slice('fio:'.length) };
  if (text.startsWith('device:')) return deviceSubject(text, text.slice('device:'.length));
  if (text.includes('(')) return deviceSubject(text, text);
  if (ENGINES.some((engine) => engine === text)) return { kind: 'engine', label: text, engine: text };
  if (existsSync(text)) return { kind: 'saved', label: text, path: text };
  const meant = isStack(text) ? `device:${text}` : nearest(text, ENGINES);
  const advice = meant === null ? 'see compare --help' : `did you mean ${meant}?`;
  throw new UsageError(`${quote(text)} is no engine, no device: and no file of saved results: ${advice}`);
}

/** Whether it names a device but a file, which would rather be results that are not there. */
function isStack(text: string): boolean {
  try {
    return parseSpec(text).driver !== 'file';
  } catch {
    return false;
  }
}

function deviceSubject(label: string, spec: string): Subject {
  try {
    parseSpec(spec);
  } catch (error) {
    throw new UsageError(`${quote(label)} is no stack of devices: ${deviceReason(error)}`);
  }
  return { kind: 'device', label, spec };
}
