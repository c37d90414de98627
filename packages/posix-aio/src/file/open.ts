import { constants, type OpenMode, type PathLike } from 'node:fs';
import { AioFile } from './aio-file.js';
import { invalidType, invalidValue, outOfRange } from './file-errors.js';
import { openDescriptor } from './open-descriptor.js';
import { OpenFile, usesRing } from './open-file.js';

/** What {@link open} takes besides the arguments of `fs.promises.open`. */
export interface AioFileOptions {
  /**
   * `'uring'` is io_uring; `'fs'` is Node's own pool of threads, with a service thread for pipes and terminals; `'auto'` is io_uring if it is to be had, otherwise `'fs'`, with a warning
   * BIODONE_NO_IO_URING, once.
   * @default 'auto'
   */
  engine?: 'auto' | 'uring' | 'fs';
  /**
   * How many reads, writes and syncs may be with the kernel, 1 to 65536; those beyond wait in the process, ordered by priority.
   * @default 256
   */
  depth?: number;
  /**
   * Whether memory that is no IoBuffer is used as it is: nobody transfers it away while an operation works on it. Otherwise it is copied.
   * @default false
   */
  trusted?: boolean;
}

/**
 * Opens a file as `fs.promises.open` does, for reads, writes and syncs through io_uring. A regular file that is there is opened so
 * too, on the main thread; all else, and the first file of a thread, Node opens.
 *
 * @param flags @default 'r'
 * @param mode @default 0o666
 * @throws (rejects) what `fs.promises.open` rejects with; SystemError ENOSYS with `engine: 'uring'` where there is no io_uring; TypeError
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, RangeError ERR_OUT_OF_RANGE for wrong options
 *
 * @example
 * ```js
 * import { open } from '@biodone/posix-aio';
 *
 * const file = await open(process.execPath);
 * const reads = Array.from({ length: 32 }, (_, block) => file.read(Buffer.alloc(4096), 0, 4096, block * 4096));
 * console.log((await Promise.all(reads)).every(({ bytesRead }) => bytesRead === 4096)); // true
 * await file.close();
 * ```
 */
export async function open(
  path: PathLike,
  flags?: OpenMode,
  mode?: number | string,
  options: AioFileOptions = {},
): Promise<AioFile> {
  const { engine = 'auto', depth = 256, trusted = false } = check(options);
  const isByRing = usesRing(engine);
  const descriptor = await openDescriptor(path, flags ?? 'r', mode, isByRing);
  try {
    const name = typeof path === 'string' ? path : String(path);
    const direct = typeof flags === 'number' && (flags & (constants.O_DIRECT ?? 0)) !== 0;
    const appends = isAppending(flags);
    return new AioFile(new OpenFile(descriptor, { path: name, appends, direct, usesRing: isByRing, depth, trusted }));
  } catch (error) {
    await descriptor.close();
    throw error;
  }
}

/** Node's flags are numbers, or letters of which an `a` stands for O_APPEND. */
function isAppending(flags: OpenMode | undefined): boolean {
  return typeof flags === 'number' ? (flags & constants.O_APPEND) !== 0 : (flags ?? 'r').includes('a');
}

function check(options: AioFileOptions): AioFileOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
  const { engine = 'auto', depth = 256, trusted = false, ...unknown } = options;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw invalidValue('options', 'made of engine, depth and trusted', name);
  if (engine !== 'auto' && engine !== 'uring' && engine !== 'fs')
    throw invalidValue('options.engine', "'auto', 'uring' or 'fs'", engine);
  if (!Number.isInteger(depth) || depth < 1 || depth > 65536)
    throw outOfRange('options.depth', 'an integer >= 1 && <= 65536', depth);
  if (typeof trusted !== 'boolean') throw invalidType('options.trusted', 'of type boolean', trusted);
  return options;
}
