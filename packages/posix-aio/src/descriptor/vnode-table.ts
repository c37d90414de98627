import type { DescriptorEngine } from './descriptor-engine.js';
import { hasPositions, isTerminal, readStatus, S_IFBLK, S_IFCHR, S_IFDIR, S_IFREG, status } from './file-status.js';
import { FileWitness } from './file-witness.js';
import { dropVnode, makeVnode, type Vnode, type VnodeTraits } from './vnode.js';

/** By descriptor: what its number stood for when it was looked at last. Never believed without another look. */
const byDescriptor: (Vnode | null)[] = [];
/** By what names a file. */
const byName = new Map<string, Vnode>();
/** Those that no inode names: eventfd(2) and its like all have the same, and so have all files that a driver makes of one device. */
const unnamed = new Set<Vnode>();

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
  return known !== null && isSame(known.words, status.words) && isStill(fd, known) ? known : meet(fd, known, engineOf);
}

/** Whether a number whose inode is as before stands for the same file. */
function isStill(fd: number, { kind, witness }: Vnode): boolean {
  return witness === null ? kind !== 0 : witness.recognizes(fd);
}

function meet(fd: number, former: Vnode | null, engineOf: (isStream: boolean) => DescriptorEngine): Vnode {
  if (former !== null) forget(fd, former);
  const traits = traitsOf(fd);
  const isNamed = traits.witness === null && traits.kind !== 0;
  const name = traits.words.join();
  let vnode = isNamed ? byName.get(name) : undefined;
  if (vnode === undefined) {
    sweep();
    vnode = makeVnode(traits, engineOf);
    if (isNamed) byName.set(name, vnode);
    else unnamed.add(vnode);
  }
  vnode.uses += 1;
  byDescriptor[fd] = vnode;
  return vnode;
}

/** What kind of file the last look has been at. */
function traitsOf(fd: number): VnodeTraits {
  const { kind } = status;
  const words = status.words.slice();
  const terminal = isTerminal(fd);
  let isStream = kind !== S_IFREG && kind !== S_IFBLK && kind !== S_IFDIR;
  let witness: FileWitness | null = null;
  if (kind === 0 || (kind === S_IFCHR && !terminal)) {
    const found = FileWitness.of(fd);
    if (kind === S_IFCHR && hasPositions(fd, found !== null)) isStream = false;
    if (isStream && found !== 'EMFILE') witness = found;
    else if (found instanceof FileWitness) found.close();
  }
  return { kind, words, isStream, isTerminal: terminal, witness };
}

function forget(fd: number, vnode: Vnode): void {
  byDescriptor[fd] = null;
  vnode.uses -= 1;
}

/** Gives files back that no descriptor is known to be of any more, and on which nothing is under way. */
function sweep(): void {
  for (const [name, vnode] of byName) {
    if (isInUse(vnode)) continue;
    byName.delete(name);
    dropVnode(vnode);
  }
  for (const vnode of unnamed) {
    if (isInUse(vnode)) continue;
    unnamed.delete(vnode);
    dropVnode(vnode);
  }
}

function isInUse({ uses, reads, writes, isStream, pool, failedPool }: Vnode): boolean {
  return uses > 0 || reads.pending + writes.pending > 0 || (!isStream && pool.inFlight + (failedPool?.inFlight ?? 0) > 0);
}

function isSame(one: Uint32Array, other: Uint32Array): boolean {
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
