/** A mistake that somebody could make in a driver, and the check of driver-check.mjs that must find it. */
export interface DriverMutant {
  readonly name: string;
  readonly check: string;
  /** A piece of the built text of `@biodone/blockdev` that occurs in it once. */
  readonly from: string;
  readonly to: string;
}

export const driverMutants: readonly DriverMutant[] = [
  {
    name: 'raid: writes and rebuilds have the columns on other components than reads',
    check: 'raid',
    from: 'const index = column + count - row % count;',
    to: 'const index = column + count - (row + 1) % count;',
  },
  {
    name: 'raid: parity is not written',
    check: 'raid',
    from: 'this.#touched : this.#touched | stripe.parityBit;',
    to: 'this.#touched : this.#touched;',
  },
  {
    name: 'raid: a read-modify-write leaves the new data out of the parity',
    check: 'raid',
    from: 'if (this.#plan === READ_MODIFY_WRITE) this.#addToParity(stripe);\n    else if',
    to: 'if',
  },
  {
    name: 'raid: a reconstruct-write does not read the rest of the first column',
    check: 'raid',
    from: 'if (first !== last && this.#begin !== first * stripeBytes) partial |= 1 << first;',
    to: '',
  },
  {
    name: 'raid: a reconstruct-write does not read the rest of the last column',
    check: 'raid',
    from: 'if (first !== last && this.#end !== (last + 1) * stripeBytes) partial |= 1 << last;',
    to: '',
  },
  {
    name: 'raid: a write that is taken along is left out if it lies before the others',
    check: 'raid',
    from: 'else this.#begin = job.begins;',
    to: '',
  },
  {
    name: 'raid: a bad place is not written back',
    check: 'raid',
    from: 'if ((this.#repairable & bad) === 0 ||',
    to: 'if (true ||',
  },
  {
    name: 'raid: a component that is being rebuilt counts as there',
    check: 'raid',
    from: 'state === COMPONENT_REBUILDING && row < this.rowsOf(component)',
    to: 'state === COMPONENT_REBUILDING',
  },
  {
    name: 'raid: a bad place that is read takes no other components to make it of',
    check: 'raid',
    from: 'this.combine(column, this.#from, this.#to);',
    to: '',
  },
  {
    name: 'raid: a region is written to before its bit is set',
    check: 'raid cuts',
    from: 'return Atomics.load(this.#marks, region) === REGION_MARKED;',
    to: 'return true;',
  },
  {
    name: 'cache: more may be dirty than is allowed',
    check: 'cache',
    from: 'this.#core.store.index.unclean + this.#core.reserved < this.limits.dirtyMax',
    to: 'this.#core.store.index.unclean + this.#core.reserved < this.limits.dirtyMax + 1',
  },
  {
    name: 'cache: what is not written of a line is not read',
    check: 'cache',
    from: 'if (part.lengthBytes < store.lengthOf(line) || !this.#writeBack.hasRoom) return false;',
    to: 'if (!this.#writeBack.hasRoom) return false;',
  },
  {
    name: 'cache: a line that was there does not become dirty',
    check: 'cache',
    from: 'else index.touch(slot);\n    index.setDirty(slot);',
    to: 'else index.touch(slot);\n    if (isNew) index.setDirty(slot);',
  },
  {
    name: 'cache: a part of a line that was read is not copied over it',
    check: 'cache',
    from: 'store.copyIn(op.slot, part.within, io.buffer, io.bufferOffset + part.position, part.lengthBytes);\n    store.index.publish',
    to: 'store.index.publish',
  },
  {
    name: 'cache: a flush does not wait for what is dirty',
    check: 'cache',
    from: 'if (this.#core.store.index.unclean > 0 && this.#core.failure === 0) this.#writeBack.awaitClean(op);\n    else this.resume(op);',
    to: 'this.resume(op);',
  },
  {
    name: 'cache: a flush does not reach the device below',
    check: 'cache',
    from: 'this.#core.end(op, this.#core.failure, 0);\n      return;\n    }\n    this.#aim(op);\n    if (op.send',
    to: 'this.#core.end(op, this.#core.failure, 0);\n      return;\n    }\n    this.#core.end(op, 0, 0);\n    if (false && op.send',
  },
  {
    name: 'cache: a line that is written to while it is written back counts as clean then',
    check: 'cache',
    from: 'if (this.#list[slot] === DIRTY) return;\n    this.unclean -= 1;\n    if (failed)',
    to: 'if (this.#list[slot] === DIRTY) this.#remove(slot);\n    this.unclean -= 1;\n    if (failed)',
  },
  {
    name: 'cow: only the beginning of a part of a block that is written makes it copy the rest',
    check: 'cow',
    from: 'if (within > 0 || left < this.#lengthOf(block)) {',
    to: 'if (within > 0) {',
  },
  {
    name: 'cow: blocks that are in the overlay are read with those before them from the base',
    check: 'cow',
    from: 'length < limit && map.has(next) === present; next++',
    to: 'length < limit; next++',
  },
  {
    name: 'cow: a flush does not put new blocks into the map',
    check: 'cow',
    from: 'this.#pages = bitmap.begin();',
    to: 'this.#pages = [];',
  },
  {
    name: 'cow: the map is not made stable',
    check: 'cow',
    from: 'if (op.phase === BLOCKS) return this.#finish(bitmap, op, 0);',
    to: 'if (op.phase !== 0) return this.#finish(bitmap, op, 0);',
  },
  {
    name: 'cow: the map is written before the blocks are stable',
    check: 'cow',
    from: 'op.phase = BLOCKS;\n        return this.#flush(op);',
    to: 'op.phase = BLOCKS;\n        return this.step(op);',
  },
  {
    name: 'cow: a commit copies each block to where the next one is',
    check: 'cow',
    from: 'await run(base, claims.base, BLOCK_WRITE, block * blockBytes, lengthBytes, memory);',
    to: 'await run(base, claims.base, BLOCK_WRITE, (block % 30 + 1) * blockBytes, lengthBytes, memory);',
  },
  {
    name: 'checksum: a single block is not held against its digest',
    check: 'checksum',
    from: '.low === work.low && ',
    to: '.low === work.low || true || ',
  },
  {
    name: 'checksum: blocks of a longer read are not held against their digests',
    check: 'checksum',
    from: '.low === work.lows[index] && ',
    to: '.low === work.lows[index] || true || ',
  },
  {
    name: 'checksum: what is being moved is read instead of what was written since',
    check: 'checksum',
    from: 'return !active.isEmpty && this.#copyFrom(active, work, block) || !moving.isEmpty',
    to: 'return !moving.isEmpty && this.#copyFrom(moving, work, block) || !active.isEmpty && this.#copyFrom(active, work, block) || !moving.isEmpty',
  },
  {
    name: 'checksum: a flush is done before the journal is stable',
    check: 'checksum cuts',
    from: 'this.moving.seal(this.#sequence,',
    to: 'this.#tell(this.#forMoving, 0);\n    this.moving.seal(this.#sequence,',
  },
  {
    name: 'checksum: there is one journal alone',
    check: 'checksum cuts',
    from: 'layout.journalOffsets[this.moving.sequence % 2]',
    to: 'layout.journalOffsets[0]',
  },
];
