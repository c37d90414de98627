// What a platform without io_uring and without koffi's foreign functions makes of this package.

import Module from 'node:module';

Object.defineProperty(process, 'platform', { value: 'darwin' });
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  if (request === 'koffi') throw new Error('koffi has no build for this platform');
  return resolve.call(this, request, ...rest);
};
const { IoBuffer, probe, threadRing } = await import('@biodone/uring');

let ring = 'opened';
try {
  threadRing();
} catch (error) {
  ring = `${error.code} ${error.syscall}`;
}
const [source, target] = [IoBuffer.allocate(3), IoBuffer.allocate(3)];
source.bytes.set([1, 2, 3]);
IoBuffer.copy(target, 0, source, 0, 3);
const { available, reason } = probe();
console.log(JSON.stringify({ available, reason, ring, copied: [...target.bytes], address: target.address }));
