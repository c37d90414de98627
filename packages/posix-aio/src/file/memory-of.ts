import { IoBuffer } from '@biodone/uring';

/** The whole of each SharedArrayBuffer that has been used, so that its address is asked for once. */
const shared = new WeakMap<SharedArrayBuffer, IoBuffer>();
/** The same of memory that somebody has promised not to transfer away. */
const trusted = new WeakMap<ArrayBuffer, IoBuffer>();

/** The memory under a view that nobody but its maker and we have seen yet: used as it is, and not marked. */
export function unseenMemoryOf({ buffer }: Uint8Array): IoBuffer {
  return IoBuffer.over(new Uint8Array(buffer), { unseen: true });
}

/**
 * The memory under a view, for the kernel to work on as it is: its first byte is at the view's `byteOffset` there. Null for memory that has to be
 * copied, because its owner could transfer it away, or let it shrink, while the kernel works on it.
 *
 * @param isTrusted whether the caller has promised that nobody will
 */
export function memoryOf(view: Uint8Array, isTrusted: boolean): IoBuffer | null {
  const { buffer } = view;
  if (buffer instanceof SharedArrayBuffer) {
    const known = shared.get(buffer);
    // It may have grown.
    if (known !== undefined && known.lengthBytes === buffer.byteLength) return known;
    const made = IoBuffer.over(new Uint8Array(buffer));
    shared.set(buffer, made);
    return made;
  }
  return isTrusted ? trustedMemory(buffer) : null;
}

function trustedMemory(buffer: ArrayBuffer): IoBuffer | null {
  const known = trusted.get(buffer);
  if (known !== undefined) return known;
  // What may shrink is copied whatever was promised.
  if ('resizable' in buffer && buffer.resizable === true) return null;
  const made = IoBuffer.over(new Uint8Array(buffer), { trusted: true });
  trusted.set(buffer, made);
  return made;
}
