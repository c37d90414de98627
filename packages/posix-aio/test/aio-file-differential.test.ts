import { readFileSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import { open } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyFile, calls, ordered, outcomeOf, wholeCalls, wholeLengths } from './support/file-calls.js';
import { type Folder, makeFolder } from './support/files.js';

const { available, reason } = probe();
if (!available) console.warn(`AioFile is compared with FileHandle on Node's threads alone: ${reason}`);

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`AioFile beside FileHandle: BIODONE_SEED=${seed}`);
const RUNS = 200;
const WHOLE_RUNS = 100;

const engines = available ? (['uring', 'fs'] as const) : (['fs'] as const);

let folder: Folder;
let files = 0;

beforeAll(() => {
  folder = makeFolder();
});

afterAll(() => folder.remove());

function twoFiles(length = 200): [string, string] {
  files += 1;
  // Of no period that a wrong position could hide in, and partly text of several bytes a character.
  const content = Buffer.from(Uint8Array.from({ length }, (_, index) => (index * index) >>> (index % 3)));
  const paths = [join(folder.path, `${files}-handle`), join(folder.path, `${files}-aio`)] as [string, string];
  for (const path of paths) writeFileSync(path, content);
  return paths;
}

/** Where the file's own position is, as far as it can be found out by reading on. */
async function rest(file: AnyFile): Promise<unknown> {
  try {
    return await file.readFile('latin1');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** What the kernel says of it. */
function positionOf({ fd }: AnyFile): string | undefined {
  return /^pos:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
}

const flags = fc.constantFrom('r', 'r+', 'r+', 'w', 'w+', 'a', 'a+', 'as+', 'wx');
const sequences = fc
  .tuple(fc.array(calls, { minLength: 1, maxLength: 25 }), fc.boolean(), fc.array(calls, { maxLength: 4 }))
  .map(([before, isClosed, after]) => [before, isClosed ? after : null] as const);

describe.each(engines)('AioFile on %s, beside FileHandle', (engine) => {
  it.each([false, true])(
    'comes to the same results, errors, contents and positions (trusted memory: %s)',
    async (trusted) => {
      await fc.assert(
        fc.asyncProperty(flags, sequences, async (flag, [before, after]) => {
          const [handlePath, aioPath] = twoFiles();
          const openings = [openHandle(handlePath, flag), open(aioPath, flag, undefined, { engine, trusted })] as const;
          const [theirs, ours] = await Promise.allSettled(openings);
          expect(ours.status).toBe(theirs.status);
          if (ours.status === 'rejected' || theirs.status === 'rejected') return;
          const [handle, file] = [theirs.value, ours.value];
          try {
            for (const call of before) {
              expect(await outcomeOf(call, file), call.name).toEqual(await outcomeOf(call, handle));
            }
            expect(positionOf(file)).toBe(positionOf(handle));
            expect(await rest(file)).toEqual(await rest(handle));
            if (after !== null) await Promise.all([file.close(), handle.close()]);
            for (const call of after ?? []) {
              expect(await outcomeOf(call, file), call.name).toEqual(await outcomeOf(call, handle));
            }
          } finally {
            await Promise.all([file.close(), handle.close()]);
          }
          expect(file.fd).toBe(handle.fd);
          expect(readFileSync(aioPath).equals(readFileSync(handlePath))).toBe(true);
        }),
        { seed, numRuns: RUNS },
      );
    },
    120_000,
  );

  it('comes to the same with files of all lengths, read and written whole', async () => {
    await fc.assert(
      fc.asyncProperty(flags, wholeLengths, fc.array(wholeCalls, { minLength: 1, maxLength: 6 }), async (flag, length, all) => {
        const [handlePath, aioPath] = twoFiles(length);
        const [theirs, ours] = await Promise.allSettled([
          openHandle(handlePath, flag),
          open(aioPath, flag, undefined, { engine }),
        ]);
        if (ours.status === 'rejected' || theirs.status === 'rejected') return;
        const [handle, file] = [theirs.value, ours.value];
        try {
          for (const call of all) {
            const [one, other] = [await outcomeOf(call, file), await outcomeOf(call, handle)];
            // The difference of two long values takes long to print.
            if (!isDeepStrictEqual(one, other)) expect.fail(`${call.name}: ${inspect(one)} instead of ${inspect(other)}`);
          }
          expect(positionOf(file)).toBe(positionOf(handle));
        } finally {
          await Promise.all([file.close(), handle.close()]);
        }
        expect(readFileSync(aioPath).equals(readFileSync(handlePath))).toBe(true);
      }),
      { seed, numRuns: WHOLE_RUNS },
    );
  }, 120_000);

  it('comes to the same without waiting, where the order is promised', async () => {
    await fc.assert(
      fc.asyncProperty(flags, fc.array(ordered, { minLength: 2, maxLength: 20 }), async (flag, all) => {
        const [handlePath, aioPath] = twoFiles();
        const [theirs, ours] = await Promise.allSettled([
          openHandle(handlePath, flag),
          open(aioPath, flag, undefined, { engine }),
        ]);
        if (ours.status === 'rejected' || theirs.status === 'rejected') return;
        const together = Promise.all(all.map((call) => outcomeOf(call, ours.value)));
        const closing = ours.value.close();
        const oneByOne: object[] = [];
        for (const call of all) oneByOne.push(await outcomeOf(call, theirs.value));
        await theirs.value.close();
        expect(await together).toEqual(oneByOne);
        await closing;
        expect(readFileSync(aioPath).equals(readFileSync(handlePath))).toBe(true);
      }),
      { seed, numRuns: RUNS },
    );
  }, 120_000);
});
