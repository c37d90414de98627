import { closeSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { PROGRAM_NAME } from '../program.js';
import { quote, UsageError } from '../usage-error.js';

/** What was written where: the generation of each block, 0 where nothing was. */
export interface VerifyState {
  readonly seed: number;
  readonly blockBytes: number;
  readonly startOffset: number;
  readonly generations: Uint32Array;
}

interface StateFile {
  readonly program: string;
  readonly kind: string;
  readonly seed: number;
  readonly blockBytes: number;
  readonly startOffset: number;
  readonly generations: string;
}

const KIND = 'verify-state';

/** Writes a state as a whole or not at all, durably; one of an earlier run is replaced. */
export function saveState(path: string, state: VerifyState): void {
  const { generations, ...rest } = state;
  const bytes = Buffer.from(generations.buffer, generations.byteOffset, generations.byteLength);
  const file: StateFile = { program: PROGRAM_NAME, kind: KIND, ...rest, generations: bytes.toString('base64') };
  const partial = `${path}.${process.pid}.part`;
  const fd = openSync(partial, 'wx', 0o666);
  try {
    try {
      writeFileSync(fd, `${JSON.stringify(file)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, path);
  } catch (error) {
    unlinkSync(partial);
    throw error;
  }
}

/** @throws UsageError for what is no state */
export function loadState(path: string): VerifyState {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`verify_state_load: ${quote(path)} cannot be read (${code}): write it first, with verify_state_save=1`);
  }
  const state = parse(text);
  if (state === null) throw new UsageError(`verify_state_load: ${quote(path)} is no state of an earlier run`);
  return state;
}

/** Whether a text is a state that a new one may replace. */
export function isState(text: string): boolean {
  return parse(text) !== null;
}

function parse(text: string): VerifyState | null {
  try {
    const { program, kind, seed, blockBytes, startOffset, generations } = JSON.parse(text) as StateFile;
    const numbers = [seed, blockBytes, startOffset];
    if (program !== PROGRAM_NAME || kind !== KIND || !numbers.every(Number.isSafeInteger)) return null;
    const bytes = Buffer.from(generations, 'base64');
    const words = new Uint32Array(bytes.length >>> 2);
    for (let index = 0; index < words.length; index++) words[index] = bytes.readUInt32LE(index * 4);
    return { seed, blockBytes, startOffset, generations: words };
  } catch {
    return null;
  }
}
