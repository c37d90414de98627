// A compact check of one driver, in a process of its own, so that a change to the drivers' built text can be tried. Its exit status is the answer.
import assert from 'node:assert/strict';
import { register } from 'node:module';

const [name, seed, edits] = [process.argv[2], Number(process.argv[3]), process.argv[4] ?? ''];
if (edits !== '') register('./driver-edit.mjs', import.meta.url, { data: JSON.parse(edits) });

const { BLOCK_FUA, beginSubmit, endSubmit, openCache, openChecksum, openCow, openMem, openRaid, openSnapshots, raidOf, scrub } =
  await import('@biodone/blockdev');
const { IoBuffer } = await import('@biodone/uring');
const {
  flushRequest,
  openCrash,
  openFault,
  openManual,
  readRequest,
  run,
  runSync,
  SeededRandom,
  turn,
  VirtualTime,
  writeRequest,
} = await import('@biodone/testkit');

const BLOCK = 4096;
const HALF = BLOCK / 2;
const EIO = 5;
const EILSEQ = 84;

/** A device in memory whose requests end later, in an order that a seed decides. */
function openShuffled(sizeBytes, random, blockSizeBytes = 512) {
  let scheduled = false;
  const schedule = () => {
    if (!scheduled) setImmediate(completeSome);
    scheduled = true;
  };
  const device = openManual(sizeBytes, { limits: { blockSizeBytes }, onStarted: schedule });
  const completeSome = () => {
    scheduled = false;
    for (const io of random.shuffled(device.started)) {
      // Some take longer than what comes after them.
      if (device.started.includes(io) && random.chance(0.7)) device.complete(io);
    }
    if (device.started.length > 0) schedule();
  };
  return device;
}

function bytesOf(device) {
  const { sizeBytes } = device.limits;
  const io = readRequest(0, sizeBytes);
  assert.equal(runSync(device, io).error, 0, 'a medium can be read');
  return Uint8Array.from(io.buffer.bytes.subarray(0, sizeBytes));
}

function deviceOf(bytes) {
  const device = openMem(bytes.length, { blockSizeBytes: 512 });
  assert.equal(runSync(device, writeRequest(0, bytes)).error, 0);
  return device;
}

/** What a device has to hold, against which random requests are held, some at a time and none at the place of another. */
class Model {
  content;
  #device;
  #random;
  #unit;
  #tag = 0;

  constructor(device, random, unit, content = new Uint8Array(device.limits.sizeBytes)) {
    this.#device = device;
    this.#random = random;
    this.#unit = unit;
    this.content = content;
  }

  async work(rounds, after = () => {}) {
    for (let round = 0; round < rounds; round++) {
      const taken = new Set();
      const all = Array.from({ length: 6 }, () => this.#request(taken));
      await Promise.all(all);
      after();
    }
  }

  /** Writes a range in pieces, all at once and the last one first. */
  async pieces(begin, count, lengthBytes) {
    const writes = Array.from({ length: count }, (_, at) => {
      const offset = begin + at * lengthBytes;
      this.content.fill(100 + at, offset, offset + lengthBytes);
      return writeRequest(offset, this.content.slice(offset, offset + lengthBytes));
    });
    const ended = await Promise.all(writes.reverse().map((io) => run(this.#device, io)));
    for (const { error } of ended) assert.equal(error, 0, 'a write of a piece');
  }

  async verify(what, device = this.#device) {
    const io = readRequest(0, this.content.length);
    assert.equal((await run(device, io)).error, 0, `everything can be read ${what}`);
    const wrong = io.buffer.bytes.subarray(0, this.content.length).findIndex((byte, at) => byte !== this.content[at]);
    assert.equal(wrong, -1, `byte ${wrong} is wrong ${what}`);
  }

  async #request(taken) {
    const random = this.#random;
    const units = Math.ceil(this.content.length / this.#unit);
    const first = random.below(units);
    const count = Math.min(units - first, 1 + random.below(random.chance(0.2) ? 40 : 6));
    for (let unit = first; unit < first + count; unit++) if (taken.has(unit)) return;
    for (let unit = first; unit < first + count; unit++) taken.add(unit);
    const [begin, end] = [first * this.#unit, Math.min(this.content.length, (first + count) * this.#unit)];
    if (random.chance(0.1)) {
      assert.equal((await run(this.#device, flushRequest())).error, 0, 'a flush');
    } else if (random.chance(0.4)) {
      const io = readRequest(begin, end - begin);
      assert.equal((await run(this.#device, io)).error, 0, 'a read');
      assert.equal(Buffer.compare(io.buffer.bytes.subarray(0, end - begin), this.content.subarray(begin, end)), 0, 'a read');
    } else {
      this.#tag = (this.#tag % 255) + 1;
      this.content.fill(this.#tag, begin, end);
      assert.equal((await run(this.#device, writeRequest(begin, this.content.slice(begin, end)))).error, 0, 'a write');
    }
  }
}

/** Does what waits on the media until a promise is settled. False if `budget.left` requests have been done before. */
async function stepUntil(media, promise, random, budget = { left: Number.POSITIVE_INFINITY, done: 0 }) {
  let ended = false;
  const end = () => {
    ended = true;
  };
  promise.then(end, end);
  for (let turns = 0; !ended; turns++) {
    assert.ok(turns < 10_000, 'there is progress');
    const busy = media.filter(({ waiting }) => waiting > 0);
    if (busy.length > 0) {
      if (budget.left === 0) return false;
      const medium = random.pick(busy);
      medium.step(random.below(medium.waiting));
      budget.left -= 1;
      budget.done += 1;
    }
    await turn();
  }
  return true;
}

/** Lets the power fail behind each request of a random workload: each unit has to hold what was stable, or was written since. */
async function cutEverywhere(workload, { media: sizes, open, reopen, unit = HALF }) {
  const steps = Array.from({ length: 6 }, (_, at) => {
    const random = new SeededRandom(seed + 100 * workload + at);
    if (at % 2 === 1 && random.chance(0.7)) return { count: 0 };
    return { first: random.below(6), count: 1 + random.below(3), flags: random.chance(0.2) ? BLOCK_FUA : 0 };
  });
  for (let cutAt = 0, ended = false; !ended; cutAt++) {
    const random = new SeededRandom(seed + 1000 * workload + cutAt);
    const media = sizes.map((size) => openCrash(openMem(size, { blockSizeBytes: 512 }), { stepped: true }));
    const opening = Promise.resolve(open(media));
    await stepUntil(media, opening, random);
    const device = await opening;
    const [stable, latest] = [new Uint8Array(16), new Uint8Array(16)];
    const since = Array.from({ length: 16 }, () => new Set());
    const budget = { left: cutAt, done: 0 };
    ended = true;
    for (const [at, { first = 0, count, flags = 0 }] of steps.entries()) {
      const tag = at + 1;
      const io = count === 0 ? flushRequest() : writeRequest(first * unit, new Uint8Array(count * unit).fill(tag), flags);
      for (let half = first; half < first + count; half++) since[half].add(tag);
      const request = run(device, io);
      if (!(await stepUntil(media, request, random, budget))) {
        ended = false;
        break;
      }
      assert.equal((await request).error, 0);
      latest.fill(tag, first, first + count);
      const [from, to] = count === 0 ? [0, 16] : [first, first + count];
      if (count > 0 && flags === 0) continue;
      for (let half = from; half < to; half++) {
        stable[half] = latest[half];
        since[half].clear();
      }
    }
    beginSubmit();
    for (const medium of media) medium.crash({ survive: random.pick([0, 0.5, 1]), random, sectorBytes: 512 });
    const found = media.map((medium) => deviceOf(bytesOf(medium)));
    endSubmit();
    const again = await reopen(found);
    const io = readRequest(0, 8 * unit);
    assert.equal((await run(again, io)).error, 0, 'what is found after a cut can be read');
    for (let half = 0; half < 8; half++) {
      const tags = new Set(io.buffer.bytes.subarray(half * unit, (half + 1) * unit));
      for (const tag of tags) assert.ok(tag === stable[half] || since[half].has(tag), `unit ${half} holds ${tag} after a cut`);
    }
    await again.close();
    const closed = device.close().catch(() => {});
    await stepUntil(media, closed, random);
  }
}

async function checkRaid() {
  const random = new SeededRandom(seed);
  const component = () => openShuffled(16 * 2048 + 8192, random);
  const faults = Array.from({ length: 4 }, () => openFault(component()));
  const options = { stripeBytes: 2048, regionBytes: 2048 };
  const device = await openRaid(faults, {
    ...options,
    create: true,
    assumeClean: true,
    spares: [component()],
    autoRebuild: false,
  });
  const raid = raidOf(device);
  const model = new Model(device, random, 512);
  await model.work(60);
  for (let row = 0; row < 4; row++) await model.pieces(row * 6144, 6, 1024);
  await model.verify('when all is well');
  assert.deepEqual(await raid.scrub(), { rows: 16, mismatches: 0, repaired: 0, unreadable: 0 });
  // A bad place on each component, which is well when it has been written.
  for (const fault of faults) {
    let isBad = true;
    const when = (io) => {
      if (io.offset > 2048 || io.offset + io.lengthBytes <= 2048) return false;
      if (io.operation === 1) isBad = false;
      return isBad && io.operation === 0;
    };
    fault.addFault({ action: { kind: 'error', errno: EIO }, when, times: Number.POSITIVE_INFINITY });
    await model.verify('with a bad place');
    // Of parity, only this finds it.
    await raid.scrub();
  }
  assert.equal(raid.repaired, 4, 'bad places are repaired');
  assert.equal(raid.state, 'optimal');
  raid.fail(1);
  await model.verify('without a component');
  await model.work(30);
  await model.verify('after writes without a component');
  const rebuilt = raid.rebuild(1);
  await model.work(10);
  await rebuilt;
  await model.verify('when it is rebuilt');
  assert.deepEqual(await raid.scrub(), { rows: 16, mismatches: 0, repaired: 0, unreadable: 0 });
  raid.fail(2);
  await model.verify('without another one');
  await device.close();
}

/** On components that take what they are given at once: whatever is made of it afterwards comes too late. */
async function checkRaidInMemory() {
  const random = new SeededRandom(seed);
  const components = Array.from({ length: 4 }, () => openMem(16 * 2048 + 8192, { blockSizeBytes: 512 }));
  const device = await openRaid(components, { stripeBytes: 2048, create: true });
  const model = new Model(device, random, 512);
  await model.work(20);
  // Whole rows: of memory that is copied, and of such in which their parity can be made.
  for (let row = 0; row < 8; row++) {
    const offset = row * 6144;
    model.content.set(
      Uint8Array.from({ length: 6144 }, (_, at) => (at * (row + 3)) >>> 2),
      offset,
    );
    const io = writeRequest(offset, model.content.slice(offset, offset + 6144));
    if (row % 2 === 1) {
      const bytes = io.buffer.bytes.slice(0, 6144);
      io.buffer = IoBuffer.inWebAssembly(6144);
      io.buffer.bytes.set(bytes);
    }
    assert.equal((await run(device, io)).error, 0, 'a write of a row');
  }
  for (const index of [0, 1, 2, 3]) {
    raidOf(device).fail(index);
    await model.verify(`in memory, without component ${index}`);
    await raidOf(device).rebuild(index);
  }
  await device.close();
}

async function checkRaidCuts() {
  const component = 8 * 1024 + 8192;
  const options = { stripeBytes: 1024, regionBytes: 2048, closeChildren: false };
  const target = {
    media: [component, component, component],
    unit: 512,
    open: (media) => openRaid(media, { ...options, create: true, assumeClean: true }),
    reopen: async (media) => {
      const device = await openRaid(media, { closeChildren: false });
      const raid = raidOf(device);
      await raid.settled();
      assert.equal((await raid.scrub()).mismatches, 0, 'the parity is right after a cut');
      return device;
    },
  };
  for (let workload = 0; workload < 5; workload++) await cutEverywhere(workload, target);
}

async function checkCache() {
  const random = new SeededRandom(seed);
  const below = openShuffled(30 * BLOCK + HALF, random);
  const device = await openCache(below, {
    cacheBytes: 12 * BLOCK,
    dirtyMaxBytes: 4 * BLOCK,
    writeBackDelayMs: 5,
    closeChildren: false,
  });
  const model = new Model(device, random, 512);
  await model.work(150, () => assert.ok(device.cacheStatistics().dirtyBytes <= 4 * BLOCK, 'what is dirty is bounded'));
  await model.verify('through the cache');
  await device.close();
  await model.verify('below the cache', below);
  const options = { cacheBytes: 8 * BLOCK, writeBackDelayMs: 60_000, closeChildren: false };
  const target = { media: [8 * BLOCK], open: ([medium]) => openCache(medium, options), reopen: ([medium]) => medium };
  for (let workload = 0; workload < 4; workload++) await cutEverywhere(workload, target);
}

/** Writers that wait for room, and a flush that waits for what is dirty. */
async function checkCacheWaits() {
  const below = openShuffled(30 * BLOCK, new SeededRandom(seed));
  const device = await openCache(below, { cacheBytes: 8 * BLOCK, dirtyMaxBytes: 2 * BLOCK, writeBackDelayMs: 60_000 });
  const writes = Array.from({ length: 15 }, (_, at) =>
    run(device, writeRequest(2 * at * BLOCK, new Uint8Array(BLOCK).fill(at + 1))),
  );
  for (const { error } of await Promise.all(writes)) assert.equal(error, 0);
  assert.ok(device.cacheStatistics().waits > 0, 'somebody has waited');
  assert.equal((await run(device, flushRequest())).error, 0);
  for (let at = 0; at < 15; at++) assert.equal(below.contents[2 * at * BLOCK], at + 1);
  await device.close();
}

/**
 * One crash of a cache with a log, or on a device, with writes, flushes and write-backs under way, and some flushes cancelled: no line may hold what is older than what a
 * flush has covered.
 */
async function crashCache(random, second, { lines, slots, dirtyMax }) {
  const timers = new VirtualTime();
  const mems = [lines * BLOCK, 2 ** 18].map((size) => openMem(size, { blockSizeBytes: 512 }));
  const media = mems.map((mem) => openCrash(mem, { stepped: true }));
  const shape = { cacheBytes: slots * BLOCK, dirtyMaxBytes: dirtyMax * BLOCK, deviceName: 'it', closeChildren: false };
  const timing = { writeBackDelayMs: 20, readAheadBytes: 0, timers };
  const opening = openCache(media[0], { ...shape, ...timing, [second]: media[1], create: true });
  await stepUntil(media, opening, random);
  const device = await opening;
  const [submitted, completed, stable] = Array.from({ length: 3 }, () => new Uint8Array(lines));
  const busy = new Set();
  const step = async () => {
    const waiting = media.filter((medium) => medium.waiting > 0);
    const medium = waiting.length > 0 ? random.pick(waiting) : null;
    medium?.step(random.below(medium.waiting));
    if (random.chance(0.3)) timers.advance(random.below(30));
    await turn();
  };
  for (let left = 20 + random.below(150); left > 0; left--) {
    const kind = random.below(10);
    const line = random.below(lines);
    if (kind < 3 && !busy.has(line)) {
      busy.add(line);
      submitted[line] += 1;
      const tag = submitted[line];
      run(device, writeRequest(line * BLOCK, new Uint8Array(BLOCK).fill(tag))).then(({ error }) => {
        busy.delete(line);
        if (error === 0) completed[line] = tag;
      });
    } else if (kind === 3) {
      const covered = Uint8Array.from(completed);
      const io = flushRequest();
      run(device, io).then(({ error }) => {
        if (error === 0) for (const [at, tag] of covered.entries()) stable[at] = Math.max(stable[at], tag);
      });
      if (random.chance(0.2)) {
        for (let steps = random.below(4); steps > 0; steps--) await step();
        if (io.state === 1) device.abort(io);
      }
    }
    await step();
  }
  beginSubmit();
  for (const medium of media) medium.crash({ survive: random.pick([0, 0.5, 1]), random, sectorBytes: 512 });
  const found = mems.map((mem) => deviceOf(bytesOf(mem)));
  const least = Uint8Array.from(stable);
  endSubmit();
  const again = await openCache(found[0], { ...shape, [second]: found[1] });
  const look = (where, what) => {
    for (const [at, byte] of bytesOf(where).entries()) {
      const line = Math.floor(at / BLOCK);
      assert.ok(byte >= least[line] && byte <= submitted[line], `line ${line} holds ${byte} ${what}`);
    }
  };
  look(again, 'after a crash');
  await again.close();
  look(found[0], 'below, after a crash and a close');
  const closed = device.close().catch(() => {});
  let isClosed = false;
  closed.then(() => {
    isClosed = true;
  });
  while (!isClosed) await step();
}

async function checkCacheLog() {
  const shape = { cacheBytes: 8 * BLOCK, dirtyMaxBytes: 2 * BLOCK, deviceName: 'it', closeChildren: false };
  const target = {
    media: [8 * BLOCK, 2 ** 18],
    open: ([medium, log]) => openCache(medium, { ...shape, log, create: true, writeBackDelayMs: 60_000 }),
    reopen: ([medium, log]) => openCache(medium, { ...shape, log }),
  };
  for (let workload = 0; workload < 4; workload++) await cutEverywhere(workload, target);
  for (let index = 0; index < 400; index++)
    await crashCache(new SeededRandom(seed + index), 'log', { lines: 6, slots: 8, dirtyMax: 4 });
}

async function checkCacheDevice() {
  const random = new SeededRandom(seed);
  const [below, cacheDevice] = [openShuffled(30 * BLOCK + HALF, random), openShuffled(2 ** 17, random)];
  const sizes = { cacheBytes: 12 * BLOCK, dirtyMaxBytes: 4 * BLOCK, deviceName: 'it' };
  const device = await openCache(below, { ...sizes, cacheDevice, create: true, writeBackDelayMs: 5, closeChildren: false });
  const model = new Model(device, random, 512);
  await model.work(150, () => assert.ok(device.cacheStatistics().dirtyBytes <= 4 * BLOCK, 'what is dirty is bounded'));
  await model.verify('through the cache');
  await device.close();
  await model.verify('below the cache', below);
  const shape = { cacheBytes: 4 * BLOCK, dirtyMaxBytes: 2 * BLOCK, deviceName: 'it', closeChildren: false };
  const target = {
    media: [8 * BLOCK, 2 ** 17],
    open: ([medium, fast]) => openCache(medium, { ...shape, cacheDevice: fast, create: true, writeBackDelayMs: 60_000 }),
    reopen: ([medium, fast]) => openCache(medium, { ...shape, cacheDevice: fast }),
  };
  for (let workload = 0; workload < 4; workload++) await cutEverywhere(workload, target);
  const shapes = [
    { lines: 6, slots: 8, dirtyMax: 4 },
    { lines: 8, slots: 4, dirtyMax: 2 },
    { lines: 24, slots: 16, dirtyMax: 2 },
  ];
  // What has been wrong once: a line was written back while it left the map, and its flush did not reach the device below.
  const known = 44444 + 89;
  for (const each of [known, ...Array.from({ length: 300 }, (_, index) => seed + index)]) {
    const own = new SeededRandom(each);
    await crashCache(own, 'cacheDevice', own.pick(shapes));
  }
}

async function checkSnapshots() {
  const random = new SeededRandom(seed);
  const below = openShuffled(40 * BLOCK + HALF, random);
  const device = openSnapshots(below, { blockBytes: BLOCK, closeChildren: false });
  const model = new Model(device, random, 512);
  const taken = [];
  for (let round = 0; round < 12; round++) {
    taken.push({ snapshot: await device.snapshot(), content: Uint8Array.from(model.content) });
    const working = model.work(4);
    const { snapshot, content } = random.pick(taken);
    // While others write.
    const io = readRequest(0, content.length);
    assert.equal((await run(snapshot, io)).error, 0, 'a snapshot can be read');
    assert.equal(Buffer.compare(io.buffer.bytes.subarray(0, content.length), content), 0, 'a snapshot does not change');
    await working;
  }
  // Blocks that are written for the first time, and read at that moment.
  for (let round = 0; round < 40; round++) {
    const snapshot = await device.snapshot();
    const content = model.content.slice(0, 3 * BLOCK);
    const pieces = model.pieces(0, 3, BLOCK);
    for (let turns = random.below(4); turns > 0; turns--) await turn();
    const io = readRequest(0, content.length);
    assert.equal((await run(snapshot, io)).error, 0);
    assert.equal(Buffer.compare(io.buffer.bytes.subarray(0, content.length), content), 0, 'a snapshot does not change');
    await pieces;
    await snapshot.close();
    assert.equal((await run(device, writeRequest(0, content))).error, 0);
    model.content.set(content);
  }
  for (const { snapshot, content } of taken) {
    const io = readRequest(0, content.length);
    assert.equal((await run(snapshot, io)).error, 0);
    assert.equal(Buffer.compare(io.buffer.bytes.subarray(0, content.length), content), 0, 'a snapshot is as it was');
    await snapshot.close();
  }
  await model.verify('through the snapshots');
  await device.close();
  await model.verify('below the snapshots', below);
  const target = {
    media: [8 * BLOCK],
    open: async ([medium]) => {
      const over = openSnapshots(medium, { blockBytes: BLOCK, closeChildren: false });
      await over.snapshot();
      return over;
    },
    reopen: ([medium]) => medium,
  };
  for (let workload = 0; workload < 4; workload++) await cutEverywhere(workload, target);
}

async function checkCow() {
  const random = new SeededRandom(seed);
  const base = openMem(40 * BLOCK + HALF, { blockSizeBytes: 512 });
  runSync(
    base,
    writeRequest(
      0,
      new Uint8Array(40 * BLOCK + HALF).map((_, at) => at >>> 9),
    ),
  );
  const overlay = openShuffled(48 * BLOCK + 65_536, random);
  const options = { overlay, blockBytes: BLOCK, closeChildren: false };
  let device = await openCow(base, { ...options, create: true });
  const before = bytesOf(base);
  const model = new Model(device, random, 512, Uint8Array.from(before));
  await model.work(40);
  await model.verify('through the overlay');
  await device.close();
  assert.equal(Buffer.compare(bytesOf(base), before), 0, 'the base stays as it is');
  device = await openCow(base, options);
  await model.verify('when the overlay is opened again', device);
  await device.commit();
  await model.verify('in the base after a commit', base);
  assert.equal((await run(device, writeRequest(0, new Uint8Array(BLOCK).fill(77)))).error, 0);
  await device.discard();
  await model.verify('after a discard', device);
  await device.close();
  const kept = { blockBytes: BLOCK, closeChildren: false };
  const target = {
    media: [8 * BLOCK + 65_536],
    open: ([medium]) => openCow(openMem(8 * BLOCK), { ...kept, overlay: medium, create: true }),
    reopen: ([medium]) => openCow(openMem(8 * BLOCK), { ...kept, overlay: medium }),
  };
  for (let workload = 0; workload < 6; workload++) await cutEverywhere(workload, target);
}

/** What is written while what was there before is on its way to its place is what is read. */
async function readWhatMoves(device) {
  for (let round = 0; round < 10; round++) {
    const flushes = [];
    for (let tag = 1; tag < 6; tag++) {
      assert.equal((await run(device, writeRequest(0, new Uint8Array(BLOCK).fill(tag)))).error, 0);
      const io = readRequest(0, BLOCK);
      assert.equal((await run(device, io)).error, 0);
      assert.equal(io.buffer.bytes[0], tag, 'a block that moves');
      flushes.push(run(device, flushRequest()));
    }
    for (const { error } of await Promise.all(flushes)) assert.equal(error, 0, 'a flush');
  }
}

async function checkChecksum() {
  const random = new SeededRandom(seed);
  const below = openShuffled(512 * 1024, random);
  const device = await openChecksum(below, { create: true, closeChildren: false });
  const model = new Model(device, random, BLOCK);
  await model.work(60);
  await model.verify('through checksums');
  await readWhatMoves(device);
  // What only one block holds, where it lies below, and what was there before.
  const content = (tag) => Uint8Array.from({ length: BLOCK }, (_, at) => (at * tag + tag) >>> 3);
  const flush = async () => {
    assert.equal((await run(device, flushRequest())).error, 0);
    // It is stable in the journal: until it is in its place takes some requests more.
    for (let turns = 0; turns < 50; turns++) await turn();
  };
  const put = async (block, tag) => {
    assert.equal((await run(device, writeRequest(block * BLOCK, content(tag)))).error, 0);
    await flush();
  };
  for (const [block, tag] of [
    [8, 1001],
    [9, 1003],
    [8, 1007],
  ])
    await put(block, tag);
  const at = Buffer.from(bytesOf(below)).lastIndexOf(content(1007));
  const bit = content(1007);
  bit[100] ^= 4;
  for (const [what, bytes] of [
    ['a bit', bit],
    ['another block', content(1003)],
    ['an old one', content(1001)],
  ]) {
    below.contents.set(bytes, at);
    assert.equal((await run(device, readRequest(8 * BLOCK, BLOCK))).error, EILSEQ, `${what} is no data`);
    assert.equal((await run(device, readRequest(7 * BLOCK, 3 * BLOCK))).error, EILSEQ, `${what} among others is no data`);
    assert.equal((await scrub(device)).badCount, 1, `${what} is found`);
  }
  await device.close();
}

async function checkChecksumCuts() {
  const target = {
    media: [192 * 1024],
    unit: BLOCK,
    open: ([medium]) => openChecksum(medium, { create: true, closeChildren: false }),
    reopen: async ([medium]) => {
      const device = await openChecksum(medium, { closeChildren: false });
      assert.deepEqual((await scrub(device)).bad, [], 'all is right after a cut');
      return device;
    },
  };
  for (let workload = 0; workload < 5; workload++) await cutEverywhere(workload, target);
}

const checks = {
  raid: checkRaid,
  'raid in memory': checkRaidInMemory,
  'raid cuts': checkRaidCuts,
  cache: checkCache,
  'cache waits': checkCacheWaits,
  'cache log': checkCacheLog,
  'cache device': checkCacheDevice,
  snapshots: checkSnapshots,
  cow: checkCow,
  checksum: checkChecksum,
  'checksum cuts': checkChecksumCuts,
};
let passed = false;
// Nothing is under way and the check has not ended: something was never told that it is done.
process.on('exit', (code) => {
  if (code === 0 && !passed) process.exitCode = 2;
});
// An error may leave things behind that would keep the process alive.
const timer = setTimeout(() => process.exit(3), 40_000);
await checks[name]().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
passed = true;
clearTimeout(timer);
