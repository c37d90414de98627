// Checksums where there is no WebAssembly: node --jitless checksum-no-wasm.mjs; or, with an argument, where it takes no vectors.
if (process.argv[2] === 'no vectors') {
  const { Module } = WebAssembly;
  WebAssembly.Module = class extends Module {
    constructor() {
      // The opcode of vectors, in a function that pops what it makes.
      super(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 0xfd, 0xff, 11));
    }
  };
}
const { openChecksum, openMem, BlockIo, BLOCK_WRITE } = await import('@biodone/blockdev');
const { IoBuffer } = await import('@biodone/uring');

const device = openMem(2 ** 20);
const io = new BlockIo();
io.operation = BLOCK_WRITE;
io.buffer = IoBuffer.allocate(2 ** 20);
io.buffer.bytes.fill(7);
io.lengthBytes = 2 ** 20;
device.strategySync(io);
const refusal = await openChecksum(device, { create: true }).then(
  () => null,
  (error) => error,
);
io.operation = 0;
device.strategySync(io);
const isUntouched = io.buffer.bytes.every((byte) => byte === 7);
device.claim('exclusive').release();
console.log(refusal?.code, /vectors/.test(refusal?.message), isUntouched);
