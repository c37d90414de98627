// Opens an AioFile, lets it be collected, and prints the warning and whether its descriptor is closed.
import { fstatSync } from 'node:fs';
import { open } from '@biodone/posix-aio';

let fd = -1;
await (async () => {
  const file = await open(process.argv[2]);
  await file.read(Buffer.alloc(4));
  fd = file.fd;
})();
const warning = await new Promise((resolve) => {
  let isOver = false;
  process.once('warning', (given) => {
    isOver = true;
    resolve(given);
  });
  const collect = () => {
    globalThis.gc();
    if (!isOver) setImmediate(collect);
  };
  collect();
});

const isOpen = () => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};
while (isOpen()) await new Promise(setImmediate);
console.log(JSON.stringify({ code: warning.code, message: warning.message }));
