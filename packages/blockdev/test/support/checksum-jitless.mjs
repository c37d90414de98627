// Checksums where there is no WebAssembly: node --jitless checksum-jitless.mjs. The device below stays open.
import { openChecksum, openMem } from '@biodone/blockdev';

const disk = openMem(2 ** 20);
const error = await openChecksum(disk, { create: true }).catch((cause) => cause);
console.log(error.code, !disk.closed);
