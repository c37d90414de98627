import type { BlockShare } from '../jobs/block-sizes.js';
import type { ByteRange, PerDirection } from '../jobs/option-values.js';
import { type BlockDistribution, blockDistribution } from './block-distribution.js';
import { IO_READ, IO_TRIM, IO_WRITE, type IoUnit } from './io-unit.js';
import type { JobPlan } from './job-plan.js';
import { Random } from './random.js';
import { RandomMap } from './random-map.js';
import { ShiftRegister } from './shift-register.js';

/** Decides what the next I/O of a job is: direction, length and place. It allocates nothing after it was made. */
export class IoChooser {
  readonly #random: Random;
  readonly #directions: readonly (DirectionChooser | null)[];
  readonly #readShare: number;
  /** The direction, where there is one only, else -1. */
  readonly #only: number;
  /** Whether each write goes where a trim was before it. */
  readonly #trims: boolean;
  /** Where the trim before the next write was, or -1. */
  #trimmedOffset = -1;
  #trimmedBytes = 0;

  constructor(plan: JobPlan) {
    const { rw } = plan.job.options;
    this.#random = new Random(plan.seed);
    // Reads and writes of a mix share a map and a position: together they touch each block once.
    const places = new PlaceChooser(plan, this.#random);
    const chooser = (wanted: boolean, name: 'read' | 'write' | 'trim'): DirectionChooser | null =>
      wanted ? new DirectionChooser(plan, name, places, this.#random) : null;
    this.#directions = [chooser(rw.reads, 'read'), chooser(rw.writes, 'write'), chooser(rw.trims, 'trim')];
    this.#readShare = readShareOf(plan);
    const wanted = [IO_READ, IO_WRITE, IO_TRIM].filter((direction) => this.#directions[direction] !== null);
    this.#trims = rw.trims;
    this.#only = wanted.length === 1 ? (wanted[0] as number) : -1;
  }

  /** The direction of the next I/O. */
  direction(): number {
    if (this.#only >= 0) return this.#only;
    if (this.#trims) return this.#trimmedOffset < 0 ? IO_TRIM : IO_WRITE;
    return this.#random.below(100) < this.#readShare ? IO_READ : IO_WRITE;
  }

  /** Fills in operation, offset and length. */
  fill(unit: IoUnit, direction: number): void {
    unit.operation = direction;
    if (direction === IO_WRITE && this.#trimmedOffset >= 0) {
      unit.offset = this.#trimmedOffset;
      unit.lengthBytes = this.#trimmedBytes;
      this.#trimmedOffset = -1;
      return;
    }
    (this.#directions[direction] as DirectionChooser).fill(unit);
    if (direction !== IO_TRIM || this.#only >= 0) return;
    this.#trimmedOffset = unit.offset;
    this.#trimmedBytes = unit.lengthBytes;
  }
}

/** The share of reads in percent: where both are given and differ from each other, the reads' counts. */
function readShareOf({ job }: JobPlan): number {
  const { rwmixread, rwmixwrite } = job.options;
  return rwmixread === 50 && rwmixwrite !== 50 ? 100 - rwmixwrite : rwmixread;
}

/** How long the I/Os of a direction are, and how often they jump. */
class DirectionChooser {
  readonly #places: PlaceChooser;
  readonly #random: Random;
  readonly #min: number;
  readonly #steps: number;
  readonly #shares: readonly BlockShare[];
  readonly #percentRandom: number;

  constructor(plan: JobPlan, name: keyof PerDirection<unknown>, places: PlaceChooser, random: Random) {
    const { options } = plan.job;
    const range: ByteRange = (options.bsrange ?? options.bs)[name];
    this.#places = places;
    this.#random = random;
    this.#min = range.min;
    this.#steps = Math.floor((range.max - range.min) / range.min) + 1;
    this.#shares = options.bssplit?.[name] ?? [];
    this.#percentRandom = options.rw.random ? options.percentage_random[name] : 0;
  }

  fill(unit: IoUnit): void {
    unit.lengthBytes = this.#length();
    const percent = this.#percentRandom;
    const jumps = percent === 100 || (percent > 0 && this.#random.below(100) < percent);
    this.#places.place(unit, jumps);
  }

  #length(): number {
    if (this.#shares.length > 0) return this.#drawShare();
    return this.#steps === 1 ? this.#min : this.#min * (1 + this.#random.below(this.#steps));
  }

  #drawShare(): number {
    let left = this.#random.fraction() * 100;
    for (const { bytes, percent } of this.#shares) {
      left -= percent;
      if (left < 0) return bytes;
    }
    return (this.#shares.at(-1) as BlockShare).bytes;
  }
}

/** Where I/Os go, in the part of the target that the job has. */
class PlaceChooser {
  readonly #start: number;
  readonly #length: number;
  readonly #align: number;
  readonly #blocks: number;
  readonly #random: Random;
  readonly #draw: BlockDistribution;
  readonly #isUniform: boolean;
  readonly #map: RandomMap | null;
  readonly #register: ShiftRegister | null;
  /** `rw=randread:8`: how many follow each other. */
  readonly #run: number;
  /** `rw=read:4k`: how far a sequence skips. */
  readonly #skip: number;
  readonly #identical: boolean;
  #next = 0;
  #inRun = 0;

  constructor(plan: JobPlan, random: Random) {
    const { options } = plan.job;
    const { rw } = options;
    this.#start = plan.startOffset;
    this.#length = plan.lengthBytes;
    this.#align = alignmentOf(plan);
    this.#blocks = Math.max(1, Math.floor(plan.lengthBytes / this.#align));
    this.#random = random;
    this.#draw = blockDistribution(options.random_distribution, this.#blocks, this.#align);
    this.#isUniform = options.random_distribution.kind === 'uniform';
    this.#map = usesMap(plan) ? new RandomMap(this.#blocks) : null;
    this.#register = options.random_generator === 'lfsr' && this.#isUniform ? new ShiftRegister(this.#blocks, plan.seed) : null;
    this.#run = rw.random ? Math.max(1, rw.modifier) : 1;
    this.#skip = rw.random ? 0 : rw.modifier;
    this.#identical = options.rw_sequencer === 'identical';
  }

  place(unit: IoUnit, jumps: boolean): void {
    if (jumps && this.#inRun === 0) {
      this.#next = this.#randomBlock() * this.#align;
      this.#inRun = this.#run;
    }
    if (this.#next + unit.lengthBytes > this.#length) this.#next = 0;
    unit.offset = this.#start + this.#next;
    if (this.#inRun > 0) this.#inRun -= 1;
    if (!this.#identical || this.#inRun === 0) this.#next += unit.lengthBytes + this.#skip;
  }

  #randomBlock(): number {
    if (this.#register !== null) return this.#register.next();
    const drawn = this.#isUniform ? this.#random.below(this.#blocks) : this.#draw(this.#random);
    const map = this.#map;
    if (map === null) return drawn;
    if (map.free === 0) map.clear();
    return map.takeFrom(drawn);
  }
}

/** What random offsets are multiples of: the least block, unless `blockalign` says otherwise. */
function alignmentOf({ job }: JobPlan): number {
  const { rw, blockalign } = job.options;
  const asked = rw.reads ? blockalign.read : rw.writes ? blockalign.write : blockalign.trim;
  return asked > 0 ? asked : Math.min(...blockBytes(job.options).map(({ min }) => min));
}

/** A map is kept for blocks of one size that are drawn evenly; others could not be told apart by it. */
function usesMap(plan: JobPlan): boolean {
  const { options } = plan.job;
  const { rw, norandommap, softrandommap, random_generator: generator, random_distribution: distribution } = options;
  if (!rw.random || norandommap || distribution.kind !== 'uniform' || rw.modifier > 1 || generator === 'lfsr') return false;
  const align = alignmentOf(plan);
  if (softrandommap && plan.lengthBytes / align > RandomMap.COUNT_MAX) return false;
  return blockBytes(options).every(({ min, max }) => min === align && max === align);
}

/** The ranges of block sizes that a job uses. */
export function blockBytes(options: JobPlan['job']['options']): ByteRange[] {
  const { rw } = options;
  const used = (['read', 'write', 'trim'] as const).filter(
    (name) => (name === 'read' && rw.reads) || (name === 'write' && rw.writes) || (name === 'trim' && rw.trims),
  );
  return used.map((name) => {
    const shares = options.bssplit?.[name] ?? [];
    if (shares.length === 0) return (options.bsrange ?? options.bs)[name];
    const sizes = shares.map(({ bytes }) => bytes);
    return { min: Math.min(...sizes), max: Math.max(...sizes) };
  });
}
