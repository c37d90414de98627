import type { AioOp } from '../aio-op.js';

/**
 * Operations sorted by their offset, those of one offset by their order. A treap: a search tree in which each operation is above those of less
 * weight, and the weight is a hash of the number that the operation has in its file. So it is balanced like a random tree, whatever order the
 * offsets come in, and putting, taking and cancelling take some 2 log2(n) steps, at a depth of 65536 as well.
 *
 * The links are the operations' own: `queuePrevious` is the subtree before, `queueNext` the one behind. Nothing is allocated.
 */
export class SortedQueue {
  #root: AioOp | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Puts an operation in, which is in no queue. */
  put(op: AioOp): void {
    op.queue = this;
    this.#length += 1;
    const weight = weightOf(op);
    let parent: AioOp | null = null;
    let node = this.#root;
    while (node !== null && weightOf(node) >= weight) {
      parent = node;
      node = isBefore(op, node) ? before(node) : behind(node);
    }
    this.#replace(parent, node, op, op);
    split(node, op);
  }

  /** The first operation at `offset` or behind it; null if there is none. */
  firstFrom(offset: number): AioOp | null {
    let best: AioOp | null = null;
    let node = this.#root;
    while (node !== null) {
      if (node.offset >= offset) {
        best = node;
        node = before(node);
      } else {
        node = behind(node);
      }
    }
    return best;
  }

  /** The one with the least offset; null if there is none. */
  first(): AioOp | null {
    let node = this.#root;
    for (let next = node; next !== null; next = before(next)) node = next;
    return node;
  }

  /** Takes this one out. False if it is not here. */
  remove(op: AioOp): boolean {
    if (op.queue !== this) return false;
    const parent = this.#parentOf(op);
    this.#replace(parent, op, join(before(op), behind(op)), op);
    this.#length -= 1;
    op.queue = null;
    op.queuePrevious = null;
    op.queueNext = null;
    return true;
  }

  /** The one that this one hangs under, which is here; null for the root. */
  #parentOf(op: AioOp): AioOp | null {
    let parent: AioOp | null = null;
    let node = this.#root;
    while (node !== null && node !== op) {
      parent = node;
      node = isBefore(op, node) ? before(node) : behind(node);
    }
    if (node === op) return parent;
    // Somebody has changed its offset while it waited, or that of one above it. Others must not suffer from that: it is looked for everywhere.
    const left: (AioOp | null)[] = [this.#root];
    for (let above = left.pop() ?? null; above !== null; above = left.pop() ?? null) {
      const [one, other] = [before(above), behind(above)];
      if (one === op || other === op) return above;
      if (one !== null) left.push(one);
      if (other !== null) left.push(other);
    }
    return null;
  }

  /** Puts another subtree where `old` was: under `parent`, on the side that `key` belongs to. */
  #replace(parent: AioOp | null, old: AioOp | null, subtree: AioOp | null, key: AioOp): void {
    if (parent === null) this.#root = subtree;
    else if (old === null ? isBefore(key, parent) : before(parent) === old) parent.queuePrevious = subtree;
    else parent.queueNext = subtree;
  }
}

function before(op: AioOp): AioOp | null {
  return op.queuePrevious as AioOp | null;
}

function behind(op: AioOp): AioOp | null {
  return op.queueNext as AioOp | null;
}

function isBefore(left: AioOp, right: AioOp): boolean {
  return left.offset < right.offset || (left.offset === right.offset && ((left.order - right.order) | 0) < 0);
}

/** A hash whose values are spread evenly for numbers that follow each other (the 32-bit finalizer of MurmurHash3). */
function weightOf({ order }: AioOp): number {
  let bits = order;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** Divides a tree at `op`, and hangs the two parts under it. */
function split(tree: AioOp | null, op: AioOp): void {
  // The places where the next node of each part goes: on the inner side of the last one, or right under `op` at first.
  let left = op;
  let right = op;
  let node = tree;
  while (node !== null) {
    if (isBefore(node, op)) {
      if (left === op) op.queuePrevious = node;
      else left.queueNext = node;
      left = node;
      node = behind(node);
    } else {
      if (right === op) op.queueNext = node;
      else right.queuePrevious = node;
      right = node;
      node = before(node);
    }
  }
  if (left === op) op.queuePrevious = null;
  else left.queueNext = null;
  if (right === op) op.queueNext = null;
  else right.queuePrevious = null;
}

/** Makes one tree of two, of which the first is before the second. */
function join(left: AioOp | null, right: AioOp | null): AioOp | null {
  if (left === null || right === null) return left ?? right;
  const root = weightOf(left) >= weightOf(right) ? left : right;
  let parent = root;
  let one: AioOp | null = root === left ? behind(left) : left;
  let other: AioOp | null = root === left ? right : before(right);
  // Where the rest hangs: behind a node of the first tree, before one of the second.
  let isFirst = root === left;
  while (one !== null && other !== null) {
    const first = weightOf(one) >= weightOf(other);
    const node: AioOp = first ? one : other;
    if (isFirst) parent.queueNext = node;
    else parent.queuePrevious = node;
    parent = node;
    isFirst = first;
    if (first) one = behind(node);
    else other = before(node);
  }
  if (isFirst) parent.queueNext = one ?? other;
  else parent.queuePrevious = one ?? other;
  return root;
}
