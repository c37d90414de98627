import { SyncError } from './errors.js';
import { attachWords, type Kind } from './layout.js';
import { LAYOUT_VERSION } from './version.js';

/**
 * A primitive on its way to another thread: a plain object for `postMessage()` or `workerData`, from the primitive's `serialize()`. The other
 * thread gives it to the static `attach()` of the same class.
 */
export interface SerializedPrimitive {
  /** The name of the class. */
  readonly kind: string;
  /** The version of the layout in memory. */
  readonly version: number;
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
  /** How many bytes the primitive takes. */
  readonly bytes: number;
}

/** What `serialize()` returns. */
export function serializeWords(kind: Kind, words: Int32Array): SerializedPrimitive {
  const memory = words.buffer as unknown as SharedArrayBuffer;
  return { kind: kind.name, version: LAYOUT_VERSION, memory, byteOffset: words.byteOffset, bytes: words.byteLength };
}

/**
 * Checks that the other end means the same as this one, and as the memory itself.
 *
 * @throws {@link SyncError} `EINVAL` for another kind of thing or another size, `EPROTONOSUPPORT` for another version
 */
export function checkSerialized(kind: Kind, serialized: SerializedPrimitive): void {
  if (serialized?.kind !== kind.name) throw new SyncError('EINVAL', kind.syscall, `not a serialized ${kind.name}`);
  if (serialized.version !== LAYOUT_VERSION) {
    throw new SyncError('EPROTONOSUPPORT', kind.syscall, `layout version ${serialized.version} there, ${LAYOUT_VERSION} here`);
  }
  const { memory, byteOffset, bytes } = serialized;
  const found = attachWords(kind, memory, byteOffset, bytes).byteLength;
  if (found !== bytes) throw new SyncError('EINVAL', kind.syscall, `${bytes} bytes there, ${found} here`);
}
