/**
 * io_uring for Node.js, driven from TypeScript: no compiler, no native code of its own.
 *
 * {@link ThreadRing} is what most users want: requests in, completions by the event loop, by polling or by waiting. {@link Ring} is the
 * bare mechanism under it, {@link IoBuffer} the memory for both, and {@link probe} says whether io_uring can be used here.
 *
 * @packageDocumentation
 */

export { SystemError } from './errors.js';
export { IoBuffer, type IoBufferHandle } from './memory.js';
export { prepareFsync } from './opcodes/fsync.js';
export { prepareNop } from './opcodes/nop.js';
export { prepareRead } from './opcodes/read.js';
export { prepareWrite } from './opcodes/write.js';
export { type ProbeResult, probe } from './probe.js';
export { Ring, type RingOptions } from './ring.js';
export { RingRequest } from './ring-request.js';
export { RingWaker, wakeRing } from './ring-waker.js';
export { type Libc, libc } from './syscalls.js';
export { ThreadRing, type ThreadRingOptions, threadRing } from './thread-ring.js';
