import type { FileHandle } from 'node:fs/promises';
import type { AioFile } from '@biodone/posix-aio';
import fc from 'fast-check';

/** What a call is made on: FileHandle, or an AioFile in its place. */
export type AnyFile = FileHandle | AioFile;

/** One call, with arguments that are made anew for each of the two files, and what it leaves in them. */
export interface FileCall {
  readonly name: string;
  /** For people. */
  [fc.toStringMethod](): string;
  run(file: AnyFile): Promise<unknown>;
}

/** How a call has ended, as far as it can be compared. */
export async function outcomeOf(call: FileCall, file: AnyFile): Promise<object> {
  try {
    return { value: await call.run(file) };
  } catch (error) {
    const { name, message, code, syscall, errno, cause } = error as NodeJS.ErrnoException;
    // FileHandle's error of a closed file alone has no errno.
    return { name, message, code, syscall, cause, ...(message === 'file closed' ? {} : { errno }) };
  }
}

/** Offsets, lengths and positions: mostly right, sometimes at an edge, sometimes wrong. */
const numbers = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 96 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1.5, Number.NaN, 2 ** 53, -0, Number.POSITIVE_INFINITY) },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined, '7', true, {}) },
);
const positions = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 400 }) },
  { weight: 6, arbitrary: fc.constantFrom(null, undefined) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 2.5, '3', 3n, -1n, 2 ** 60, {}) },
);
const sizes = fc.integer({ min: 0, max: 64 });
const encodings = fc.constantFrom(undefined, null, 'utf8', 'latin1', 'hex', 'base64', 'utf16le', 'no such encoding');
const texts = fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom('', 'abcd', 'größer', 'abc'));

/** Makes memory of one of the kinds that can be passed. */
const memories = fc.record({
  kind: fc.constantFrom('buffer', 'bytes', 'words', 'view', 'shared', 'part', 'array', 'string', 'nothing'),
  size: sizes,
  seed: fc.integer({ min: 0, max: 255 }),
});

type Memory = typeof memories extends fc.Arbitrary<infer T> ? T : never;

function make({ kind, size, seed }: Memory): unknown {
  const bytes = Uint8Array.from({ length: size }, (_, index) => seed + index);
  switch (kind) {
    case 'buffer':
      return Buffer.from(bytes);
    case 'bytes':
      return bytes;
    case 'words':
      return new Uint16Array(Uint8Array.from({ length: size & ~1 }, (_, index) => seed + index).buffer);
    case 'view':
      return new DataView(bytes.buffer);
    case 'shared': {
      const shared = new Uint8Array(new SharedArrayBuffer(size + 8), 8);
      shared.set(bytes);
      return shared;
    }
    case 'part':
      return new Uint8Array(Uint8Array.from({ length: size + 16 }, () => seed).buffer, 8, size);
    case 'array':
      return [...bytes];
    case 'string':
      return 'x'.repeat(size);
    default:
      return undefined;
  }
}

type Method = (...args: unknown[]) => Promise<unknown>;

function callOf(name: string, args: readonly unknown[], makeArgs: () => unknown[], look?: (value: never) => unknown): FileCall {
  return {
    name,
    [fc.toStringMethod]: () => `${name}(${args.map((arg) => fc.stringify(arg)).join(', ')})`,
    run: async (file) => {
      const made = makeArgs();
      const value = await (file as unknown as Record<string, Method>)[name]?.(...made);
      // What the call has left in the caller's memory counts too.
      return look === undefined ? { value, made } : look(value as never);
    },
  };
}

const lengths = fc.oneof({ weight: 20, arbitrary: numbers }, { weight: 1, arbitrary: fc.constant(2 ** 31) });
/** Not what makes a write of FileHandle abort the process: a length of -0. */
const writeLengths = lengths.filter((length) => !Object.is(length, -0));
/** Not what makes a read of FileHandle abort the process: a length that is no integer of 32 bits. */
const readLengths = lengths.filter((length) => length === null || length === undefined || Number.isInteger(length));

const reads = fc
  .tuple(memories, numbers, readLengths, positions)
  .map(([memory, ...rest]) => callOf('read', [memory, ...rest], () => [make(memory), ...rest]));
const optionReads = fc
  .tuple(memories, fc.record({ offset: numbers, length: readLengths, position: positions }, { requiredKeys: [] }), fc.boolean())
  .map(([memory, options, inside]) =>
    callOf('read', [memory, options, inside], () =>
      inside ? [memory.kind === 'nothing' ? options : { buffer: make(memory), ...options }] : [make(memory), { ...options }],
    ),
  );
const writes = fc
  .tuple(memories, numbers, writeLengths, positions)
  .map(([memory, ...rest]) => callOf('write', [memory, ...rest], () => [make(memory), ...rest]));
const optionWrites = fc
  .tuple(memories, fc.record({ offset: numbers, length: writeLengths, position: positions }, { requiredKeys: [] }))
  .map(([memory, options]) => callOf('write', [memory, options], () => [make(memory), { ...options }]));
const textWrites = fc.tuple(texts, positions, encodings).map((args) => callOf('write', args, () => [...args]));
const vectors = fc
  .constantFrom('readv', 'writev')
  .chain((name) =>
    fc
      .tuple(fc.array(memories, { maxLength: 4 }), positions)
      .map(([parts, position]) => callOf(name, [parts, position], () => [parts.map(make), position])),
  );
const rightEncodings = fc.constantFrom('utf8', 'UTF-8', 'utf16le', 'ucs2', 'latin1', 'ascii', 'hex', 'base64', 'base64url');
const readOptions = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(undefined, null, {}, { encoding: null }) },
  { weight: 3, arbitrary: rightEncodings },
  { weight: 2, arbitrary: rightEncodings.map((encoding) => ({ encoding })) },
  { weight: 1, arbitrary: fc.constantFrom('bad', 'buffer', '', { encoding: 'bad' }, { encoding: 7 }, { flag: 'r' }, 7) },
  { weight: 1, arbitrary: fc.constantFrom({ signal: 1 }, { signal: null }, { signal: {} }) },
);
const wholeReads = readOptions.map((options) => callOf('readFile', [options], () => [options]));
/** A call whose signal is aborted before it, right after it, or not at all. */
const aborts = fc
  .tuple(fc.constantFrom('readFile', 'readFile', 'writeFile'), fc.constantFrom('before', 'after', 'never'), texts)
  .map(
    ([name, when, text]): FileCall => ({
      name,
      [fc.toStringMethod]: () => `${name}(${fc.stringify(text)}, a signal that is aborted ${when})`,
      run: (file) => {
        const controller = new AbortController();
        const { signal } = controller;
        if (when === 'before') controller.abort('early');
        const ended = name === 'readFile' ? file.readFile({ signal }) : file.writeFile(text, { signal });
        if (when === 'after') controller.abort('at once');
        return ended;
      },
    }),
  );
const wholeWrites = fc
  .tuple(fc.constantFrom('writeFile', 'appendFile'), fc.oneof(texts, memories), encodings, fc.boolean())
  .map(([name, data, encoding, iterable]) =>
    callOf(name, [data, encoding, iterable], () => {
      const made = typeof data === 'string' ? data : make(data);
      return [iterable && typeof made !== 'undefined' ? [made, 'and', new Uint8Array(3)] : made, encoding];
    }),
  );
const syncs = fc.constantFrom('sync', 'datasync').map((name) => callOf(name, [], () => []));
/** Not so long that the whole file could not be read. */
const truncates = numbers
  .filter((length) => typeof length !== 'number' || !(length > 2 ** 20))
  .map((length) => callOf('truncate', [length], () => [length]));
const stats = fc.constantFrom(undefined, { bigint: true }, {}).map((options) =>
  callOf(
    'stat',
    [options],
    () => [options],
    ({ size, mode, nlink, uid }: Record<string, unknown>) => ({ size, mode, nlink, uid }),
  ),
);
const chmods = fc.constantFrom(0o644, 0o600, '755', 'x', -1, undefined).map((mode) => callOf('chmod', [mode], () => [mode]));
const chowns = fc
  .constantFrom([-1, -1], [1.5, 0], ['a', 0], [process.getuid?.() ?? -1, process.getgid?.() ?? -1])
  .map((args) => callOf('chown', args, () => [...args]));
const utimes = fc
  .constantFrom([1, 2], ['3', new Date(4000)], ['x', 1], [undefined, 1])
  .map((args) => callOf('utimes', args, () => [...args]));

/** Any call but close. */
export const calls: fc.Arbitrary<FileCall> = fc.oneof(
  { weight: 6, arbitrary: reads },
  { weight: 3, arbitrary: optionReads },
  { weight: 6, arbitrary: writes },
  { weight: 2, arbitrary: optionWrites },
  { weight: 3, arbitrary: textWrites },
  { weight: 4, arbitrary: vectors },
  { weight: 2, arbitrary: wholeReads },
  { weight: 2, arbitrary: aborts },
  { weight: 3, arbitrary: wholeWrites },
  { weight: 1, arbitrary: syncs },
  { weight: 2, arbitrary: truncates },
  { weight: 1, arbitrary: stats },
  { weight: 1, arbitrary: chmods },
  { weight: 1, arbitrary: chowns },
  { weight: 1, arbitrary: utimes },
);

/** Calls that go by the file's own position, and change what the next one finds: of those the order is promised. */
export const ordered: fc.Arbitrary<FileCall> = fc.oneof(
  memories.map((memory) => callOf('read', [memory], () => [make(memory)])),
  memories.map((memory) => callOf('write', [memory], () => [make(memory)])),
  texts.map((text) => callOf('write', [text], () => [text])),
  fc
    .tuple(fc.constantFrom('readv', 'writev'), fc.array(memories, { maxLength: 3 }))
    .map(([name, parts]) => callOf(name, [parts], () => [parts.map(make)])),
  fc.tuple(fc.constantFrom('writeFile', 'appendFile'), texts).map(([name, text]) => callOf(name, [text], () => [text])),
  fc.constantFrom(undefined, 'latin1').map((encoding) => callOf('readFile', [encoding], () => [encoding])),
);

/** At and around the lengths from which on a file, or memory, is treated in another way. */
const EDGES = [1, 4096, 2 ** 15, 2 ** 16, 2 ** 17, 2 ** 19, 2 ** 20, 2 ** 20 + 2 ** 19];
export const wholeLengths: fc.Arbitrary<number> = fc
  .tuple(fc.constantFrom(0, ...EDGES), fc.constantFrom(-1, 0, 1))
  .map(([edge, by]) => Math.max(0, edge + by));

/** Text and memory of all kinds that is written whole. */
const contents = fc.record({
  kind: fc.constantFrom('text', 'wide text', 'buffer', 'words', 'view', 'shared', 'part'),
  size: wholeLengths,
  seed: fc.integer({ min: 0, max: 255 }),
});

function makeContent({ kind, size, seed }: { kind: string; size: number; seed: number }): unknown {
  if (kind === 'text') return String.fromCharCode(65 + (seed % 26)).repeat(size);
  if (kind === 'wide text') return '\u{1f600}ö'.repeat(size / 6);
  return make({ kind: kind as Memory['kind'], size, seed });
}

/** Calls on long files: they read and write the whole, or move the position. */
export const wholeCalls: fc.Arbitrary<FileCall> = fc.oneof(
  { weight: 4, arbitrary: readOptions.map((options) => callOf('readFile', [options], () => [options])) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('writeFile', 'appendFile'), contents, fc.constantFrom(undefined, 'utf8', 'utf16le'))
      .map(([name, content, encoding]) =>
        callOf(
          name,
          [content, encoding],
          () => [makeContent(content), encoding],
          () => 'done',
        ),
      ),
  },
  {
    weight: 2,
    arbitrary: wholeLengths.map((length) =>
      callOf(
        'read',
        [length],
        () => [Buffer.alloc(Math.max(1, length))],
        ({ bytesRead }: { bytesRead: number }) => bytesRead,
      ),
    ),
  },
  { weight: 2, arbitrary: wholeLengths.map((length) => callOf('truncate', [length], () => [length])) },
  { weight: 1, arbitrary: aborts },
);
