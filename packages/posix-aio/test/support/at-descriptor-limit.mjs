// Opens a file where there is room for so many descriptors and no more, after ulimit -n, by FileHandle and by an AioFile:
//
//   node at-descriptor-limit.mjs FILE ROOM fresh|used
//
// 'fresh' has opened nothing before, by which FileHandle's class would be known: then Node opens the first file in any case.
import { closeSync, openSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { open } from '@biodone/posix-aio';

const [path, room, when] = process.argv.slice(2);
if (when === 'used') await (await open(path)).close();
const held = [];
try {
  for (;;) held.push(openSync(path));
} catch ({ code }) {
  if (code !== 'EMFILE') throw new Error(`the limit is not reached, but ${code}`);
}
for (const fd of held.splice(0, Number(room))) closeSync(fd);
const ends = [];
for (const openFile of [openHandle, open, open]) {
  const end = await openFile(path).then(
    async (file) => {
      const content = await file.readFile('utf8');
      const { size } = await file.stat();
      await file.close();
      return `${content} ${size}`;
    },
    (error) => `${error.code} ${error.syscall} ${error.path === path}`,
  );
  ends.push(end);
}
for (const fd of held) closeSync(fd);
// The ring can be had again.
const later = await open(path);
const { bytesRead } = await later.read(Buffer.alloc(16), 0, 16, 0);
await later.close();
console.log(JSON.stringify({ ends, later: bytesRead }));
