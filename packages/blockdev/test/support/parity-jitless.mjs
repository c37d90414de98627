// Parity where there is no WebAssembly: node --jitless parity-jitless.mjs
import { ParityMemory } from '@biodone/blockdev';

const memory = new ParityMemory(4096);
const { bytes } = memory.buffer;
for (let index = 0; index < bytes.length; index++) bytes[index] = (index * 31) & 255;
let isRight = true;
for (const [first, length] of [
  [0, 100],
  [3, 77],
]) {
  const sources = [1, 2, 3].map((part) => Uint8Array.from(bytes.subarray(first + part * 1000, first + part * 1000 + length)));
  memory.combine(first, first, 1000, 4, length);
  isRight &&= sources[0].every((byte, at) => bytes[first + at] === (byte ^ sources[1][at] ^ sources[2][at]));
}
console.log(typeof WebAssembly, isRight);
