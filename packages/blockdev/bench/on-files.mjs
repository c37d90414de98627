import * as blockdev from '@biodone/blockdev';
import { biodone } from '../../uring/bench/biodone.mjs';
import { measured } from '../../uring/bench/measured.mjs';
import { TestFile } from '../../uring/bench/test-file.mjs';
import { readDevice } from './reads.mjs';

/** The files that all paths read: each device that stands on two has both. */
export class TestFiles {
  #files;

  constructor(sizeBytes) {
    this.#files = [new TestFile(sizeBytes), new TestFile(sizeBytes)];
  }

  /** Brings them into the page cache: the kernel takes pages back in the background. */
  readThrough() {
    for (const file of this.#files) file.readThrough();
  }

  get paths() {
    return this.#files.map(({ path }) => path);
  }

  close() {
    for (const file of this.#files) file.close();
  }
}

/** The package below alone, as its own benchmark has it. */
export async function uringAlone(load) {
  const [path] = load.paths;
  return (await measured(biodone, { ...load, path, fileBytes: load.sizeBytes })).iops;
}

/** The same on a file that is opened as a device's is: its reads are noted nowhere. */
export function uringWithoutTimes(load) {
  return uringAlone({ ...load, noAccessTime: true });
}

export function file(load) {
  return onDevice(load, openRead(load.paths[0]));
}

export function stripe2(load) {
  return onDevice(load, blockdev.openStripe(load.paths.map(openRead)));
}

/** Both halves are read, so half of each: then all paths read as much of the page cache, of which the processor's caches hold but a part. */
export async function mirror(load) {
  const half = { ...load, sizeBytes: load.sizeBytes / 2 };
  // The files are read-only, and are no halves of anything.
  const { device } = await blockdev.openMirror(load.paths.map(openRead), { labels: false });
  return onDevice(half, device);
}

function openRead(path) {
  return blockdev.openFile(path, { readOnly: true, engine: 'uring' });
}

async function onDevice(load, device) {
  const { iops } = await measured((_, recorder) => readDevice(device, load, recorder), { ...load, fileBytes: load.sizeBytes });
  await device.close();
  return iops;
}
