// What IoBuffer.inWebAssembly gives where it cannot have its kind of memory: node [--jitless] web-assembly-refused.mjs without|used-up
import { IoBuffer, WebAssemblyProgram } from '@biodone/uring';

const held = [];
// Each has some 10 GiB of an address space of 128 TiB.
const most = process.argv[2] === 'used-up' ? 100_000 : 1;
for (let count = 0; count < most && held.at(-1)?.webAssembly !== null; count++) held.push(IoBuffer.inWebAssembly(4096));
const buffer = held.at(-1);
buffer.bytes[4095] = 5;
const program = new WebAssemblyProgram(
  () => new Uint8Array(),
  (exports) => exports,
);
console.log(buffer.webAssembly, program.on(buffer), buffer.lengthBytes, buffer.bytes[4095], program.isAvailable);
