import { closeSync, openSync, read, readSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** Node's callbacks, which a pool of threads stands behind. */
export async function fsRead({ path, depth, blockBytes }, recorder) {
  const fd = openSync(path);
  await new Promise((resolve, reject) => {
    let left = depth;
    const slots = Array.from({ length: depth }, (_, slot) => {
      const bytes = new Uint8Array(blockBytes);
      // Made once for each slot: who cares for speed does the same.
      const callback = (error, bytesRead) => {
        if (error !== null) reject(error);
        else if (recorder.complete(slot, bytesRead)) next();
        else if (--left === 0) resolve();
      };
      const next = () => read(fd, bytes, 0, blockBytes, recorder.nextOffset(), callback);
      return next;
    });
    recorder.begin();
    for (const next of slots) next();
  });
  closeSync(fd);
}

/** Node's promises. */
export async function fileHandle({ path, depth, blockBytes }, recorder) {
  const handle = await open(path);
  const slots = Array.from({ length: depth }, () => new Uint8Array(blockBytes));
  recorder.begin();
  await Promise.all(
    slots.map(async (bytes, slot) => {
      let more = true;
      while (more) more = recorder.complete(slot, (await handle.read(bytes, 0, blockBytes, recorder.nextOffset())).bytesRead);
    }),
  );
  await handle.close();
}

/** Node's calls that block: one read at a time, and nothing else happens meanwhile. */
export function fsReadSync({ path, blockBytes }, recorder) {
  const fd = openSync(path);
  const bytes = new Uint8Array(blockBytes);
  recorder.begin();
  while (recorder.complete(0, readSync(fd, bytes, 0, blockBytes, recorder.nextOffset())));
  closeSync(fd);
}
