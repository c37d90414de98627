import type { DescriptorEngine } from './descriptor-engine.js';
import { readStatus, status } from './file-status.js';
import { dropVnode, makeVnode, type Vnode } from './vnode.js';

/** By descriptor: what its number stood for when it was looked at last. Never believed without another look. */
const byDescriptor: (Vnode | null)[] = [];
/** By what names a file. */
const byName = new Map<string, Vnode>();

/**
 * The file that a descriptor is of now; null for what is no open descriptor. One system call, statx(2): whoever knows the number from
 * before may have closed it, and opened something else under it.
 */
export function vnodeOf(fd: number, engineOf: (isStream: boolean) => DescriptorEngine): Vnode | null {
  const known = byDescriptor[fd] ?? null;
  if (!readStatus(fd)) {
    if (known !== null) forget(fd, known);
    return null;
  }
  return known !== null && isSame(known.words, status.words) ? known : meet(fd, known, engineOf);
}

function meet(fd: number, former: Vnode | null, engineOf: (isStream: boolean) => DescriptorEngine): Vnode {
  if (former !== null) forget(fd, former);
  // eventfd(2) and its like all have the same inode: there each descriptor is taken for a file of its own.
  const name = status.kind === 0 ? `descriptor ${fd}` : status.words.join();
  let vnode = byName.get(name);
  if (vnode === undefined) {
    sweep();
    vnode = makeVnode(status.kind, status.words.slice(), engineOf);
    byName.set(name, vnode);
  }
  vnode.uses += 1;
  byDescriptor[fd] = vnode;
  return vnode;
}

function forget(fd: number, vnode: Vnode): void {
  byDescriptor[fd] = null;
  vnode.uses -= 1;
}

/** Gives files back that no descriptor is known to be of any more, and on which nothing is under way. */
function sweep(): void {
  for (const [name, vnode] of byName) {
    if (vnode.uses > 0 || vnode.reads.pending + vnode.writes.pending > 0) continue;
    if (!vnode.isStream && vnode.pool.inFlight > 0) continue;
    byName.delete(name);
    dropVnode(vnode);
  }
}

function isSame(one: Uint32Array, other: Uint32Array): boolean {
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
