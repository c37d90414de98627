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
    from: 'if (this.#core.store.index.unclean > 0 && this.#core.failure === 0) this.#writeBack.awaitClean(op.waiter);\n    else this.resume(op);',
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
    from: '.matches(io.buffer, io.bufferOffset, io.lengthBytes, work.low, work.high)) {',
    to: '.matches !== null) {',
  },
  {
    name: 'checksum: blocks of a longer read are not held against their digests',
    check: 'checksum',
    from: 'return this.#parts.digest.matches(buffer, offset, this.#blockBytes, low, work.highs[index]);',
    to: 'return buffer !== null && offset >= 0 && low !== null;',
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
  {
    name: 'raid: what is to be stable at once is written as all else',
    check: 'raid cuts',
    from: 'stripe.store(columns, this.#begin, this.#end, this.#from, this.#to, flags);',
    to: 'stripe.store(columns, this.#begin, this.#end, this.#from, this.#to, 0);',
  },
  {
    name: 'raid: the parity of what was being written when the power failed counts as right',
    check: 'raid cuts',
    from: 'else state.setUnknown(region, true);',
    to: '',
  },
  {
    name: 'raid: a resync takes every parity for right',
    check: 'raid cuts',
    from: 'isRight() {\n    return false;',
    to: 'isRight() {\n    return true;',
  },
  {
    name: 'raid: a resync makes the first row of a region anew, and no other',
    check: 'raid cuts',
    from: 'if (this.#region === region && row < set3.geometry.rows) return row;',
    to: '',
  },
  {
    name: 'cache: what is to be stable at once is done when it is in the cache',
    check: 'cache',
    from: 'else if (operation === BLOCK_WRITE && io.flags === 0 && this.#writeBack.takesWrites) this.#writes.start(io);',
    to: 'else if (operation === BLOCK_WRITE && this.#writeBack.takesWrites) this.#writes.start(io);',
  },
  {
    name: 'cow: what is to be stable at once is done when it is written',
    check: 'cow',
    from: '// A block that is stable is not there before the map is, too.\n      fua: "emulate",',
    to: 'fua: "native",',
  },
  {
    name: 'checksum: what is to be stable at once is done when it is in memory',
    check: 'checksum cuts',
    from: 'if ((io.flags & BLOCK_FUA) !== 0) this.commit.makeStable(io);\n    else',
    to: '',
  },
  {
    name: 'snapshots: what is to be stable at once is written as all else',
    check: 'snapshots',
    from: 'op.phase = DONE;\n    io.operation = parent.operation;\n    io.flags = parent.flags;',
    to: 'op.phase = DONE;\n    io.operation = parent.operation;\n    io.flags = 0;',
  },
  {
    name: 'snapshots: of a longer write, only the first block is copied before',
    check: 'snapshots',
    from: 'for (; op.block < op.end; op.block++) {\n      const snapshot',
    to: 'for (; op.block < op.begin + 1; op.block++) {\n      const snapshot',
  },
  {
    name: 'snapshots: what is copied for a second one is not there for it',
    check: 'snapshots',
    from: 'if (snapshot.invalid !== null || snapshot.map.has(block)) continue;',
    to: 'if (snapshot !== this.snapshots[0] || snapshot.map.has(block)) continue;',
  },
  {
    name: 'snapshots: a block changes while a snapshot reads it',
    check: 'snapshots',
    from: '      ops.startInRange(op);',
    to: '      ops.run(op);',
  },
  {
    name: 'snapshots: a block is copied without being read',
    check: 'snapshots',
    from: 'return op.count > 0 ? this.#copy(op, snapshot) : this.#read(op);',
    to: 'return this.#copy(op, snapshot);',
  },
  {
    name: 'cache log: lines are not stable before the map names them',
    check: 'cache log',
    from: 'op.phase = LINES_STABLE;\n    return this.#flush(op, this.#log.device, this.#log.claim);',
    to: 'return this.#flushBelow(op);',
  },
  {
    name: 'cache log: the map is not made stable',
    check: 'cache log',
    from: 'op.phase = MAP_STABLE;\n      return this.#flush(op, device, claim);',
    to: 'return this.#mapDone(op);',
  },
  {
    name: 'cache log: a copy is kept that is older than what the device below has',
    check: 'cache log',
    from: ' || map.isBelow(line) ? [line]',
    to: ' ? [line]',
  },
  {
    name: 'cache log: lines of a flush that was cancelled count as logged',
    check: 'cache log',
    from: 'for (const slot of this.#logged) this.#core.store.index.setLogged(slot, false);',
    to: '',
  },
  {
    name: 'cache log: a slot is used again while the map still names it',
    check: 'cache log',
    from: 'this.#removed.push(slot);',
    to: 'this.#free.push(slot);',
  },
  {
    name: 'cache log: the device below is not flushed before a line leaves the log',
    check: 'cache log',
    from: 'op.phase = BELOW_STABLE;\n    return this.#flush(op, core.device, core.claim);',
    to: 'this.#drop();\n    return this.#writeMap(op);',
  },
  {
    name: 'cache log: what is found after a crash is not written back',
    check: 'cache log',
    from: 'store.index.setDirty(into);',
    to: '',
  },
];
