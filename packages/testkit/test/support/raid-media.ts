import {
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  openMem,
  openRaid,
  type RaidDevice,
  type RaidLevel,
  raidOf,
} from '@biodone/blockdev';
import { type CrashDevice, type FaultDevice, openCrash, openFault, type SeededRandom } from '@biodone/testkit';
import { EIO } from '@biodone/uring';
import { bytesOf, memoryWith } from './contents.js';

export const BLOCK = 512;
export const STRIPE_BYTES = 1024;
const ROWS = 4;
/** What a component has behind its data: bitmap and label. */
const TAIL_BYTES = 8192;
const COMPONENT_BYTES = ROWS * STRIPE_BYTES + TAIL_BYTES;

/** The raid of a device. */
export function raid(device: BlockDevice): RaidDevice {
  return raidOf(device) as RaidDevice;
}

/** A new device with these contents. */
export function deviceOf(bytes: Uint8Array): BlockDevice {
  return memoryWith(bytes, { blockSizeBytes: BLOCK });
}

/** Devices with volatile caches, for which the power fails after so many of their writes, zeros and flushes. */
export class PowerSupply {
  readonly faults: FaultDevice[] = [];
  readonly #media: BlockDevice[] = [];
  readonly #caches: CrashDevice[] = [];
  /** How many of those there have been. */
  seen = 0;
  /** After how many the power fails. */
  cutAt: number = Number.POSITIVE_INFINITY;

  constructor(contents: readonly Uint8Array[]) {
    for (const bytes of contents) {
      const medium = deviceOf(bytes);
      const cache = openCrash(medium);
      const fault = openFault(cache);
      const when = (): boolean => this.seen >= this.cutAt;
      const count = (): boolean => {
        this.seen += 1;
        return false;
      };
      const action = { kind: 'error', errno: EIO } as const;
      fault.addFault({ action, when, times: Number.POSITIVE_INFINITY });
      const operations = [BLOCK_WRITE, BLOCK_WRITE_ZEROES, BLOCK_DISCARD, BLOCK_FLUSH];
      fault.addFault({ operations, action, when: count, times: Number.POSITIVE_INFINITY });
      this.#media.push(medium);
      this.#caches.push(cache);
      this.faults.push(fault);
    }
  }

  /** What is on the media when the power has failed. Of device `index` so much survives of what was in its cache. */
  contents(survive: (index: number) => number, random: SeededRandom): Uint8Array[] {
    this.cutAt = 0;
    for (const [index, cache] of this.#caches.entries()) cache.crash({ survive: survive(index), random, sectorBytes: BLOCK });
    return this.#media.map((medium) => bytesOf(medium));
  }
}

/** The contents of the components of a new array, one row a region. */
export async function newArray(level: RaidLevel, count: number): Promise<Uint8Array[]> {
  const devices = Array.from({ length: count }, () => openMem(COMPONENT_BYTES, { blockSizeBytes: BLOCK }));
  const options = { create: true, level, stripeBytes: STRIPE_BYTES, regionBytes: STRIPE_BYTES, closeChildren: false };
  await (await openRaid(devices, options)).close();
  return devices.map((medium) => bytesOf(medium));
}
