// Reads a cached file by an AioFile, and prints how many threads of the kernel's this process has got by that: none, then for a long read.
import { readdirSync, readFileSync } from 'node:fs';
import { open } from '@biodone/posix-aio';
import { IoBuffer } from '@biodone/uring';

const threads = () =>
  readdirSync('/proc/self/task').filter((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('iou-wrk')).length;

const file = await open(process.argv[2]);
await file.read(IoBuffer.allocate(4096), { position: 0 });
const before = threads();
const { bytesRead } = await file.read(IoBuffer.allocate(2 ** 20), { position: 0 });
console.log(JSON.stringify({ bytesRead, before, after: threads() > 0 }));
await file.close();
