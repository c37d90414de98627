// Uses an AioFile where io_uring may be forbidden, and prints what came of it.
import { readFileSync } from 'node:fs';
import { open } from '@biodone/posix-aio';

const [path] = process.argv.slice(2);
const warnings = [];
process.on('warning', ({ code }) => warnings.push(code));
const file = await open(path, 'w+');
const words = ['one ', 'two ', 'three '];
await Promise.all(words.map((word) => file.write(word)));
const { bytesRead, buffer } = await file.read(Buffer.alloc(20), 0, 20, 4);
await file.sync();
const second = await open(path);
let streamed = '';
for await (const chunk of second.createReadStream({ encoding: 'utf8' })) streamed += chunk;
const refused = await open(path, 'r', undefined, { engine: 'uring' }).then(
  (other) => other.close(),
  ({ code, syscall }) => `${code} ${syscall}`,
);
const closing = file.close();
const late = await file.read(Buffer.alloc(1)).catch(({ code }) => code);
await closing;
await new Promise(setImmediate);
console.log(
  JSON.stringify({
    read: String(buffer.subarray(0, bytesRead)),
    streamed,
    refused,
    late,
    warnings,
    content: readFileSync(path, 'utf8'),
  }),
);
