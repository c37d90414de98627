/**
 * io_uring for Node.js, driven from TypeScript: no compiler, no native code of its own.
 *
 * {@link ThreadRing} is what most users want: requests in, completions by the event loop, by polling or by waiting. A request is prepared
 * with one of the `prepare` functions, on a {@link RingFile} and the memory of an {@link IoBuffer}. {@link Ring} is the bare mechanism under
 * it, and {@link probe} says whether io_uring can be used here.
 *
 * @packageDocumentation
 */

export { BufferTable, FixedBuffer } from './buffer-table.js';
export { allowedCpus, bindToCpu } from './cpu-affinity.js';
export * from './errno.js';
export { SystemError } from './errors.js';
export { closeOwnedEventFd, hasEventFd, openOwnedEventFd, waitEventFd } from './event-fd.js';
export { EventLoopDoor } from './event-loop.js';
export { FileTable } from './file-table.js';
export * from './flags.js';
export { type IoSegment, IoVector } from './io-vector.js';
export { IoBuffer, type IoBufferHandle } from './memory.js';
export { OPERATION_NAMES } from './opcodes/abi.js';
export { type CancelMatch, type CancelVerdict, cancelVerdict, prepareCancel } from './opcodes/cancel.js';
export { prepareMessage } from './opcodes/message.js';
export { prepareNop } from './opcodes/nop.js';
export * from './opcodes/paths.js';
export * from './opcodes/poll.js';
export { prepareRead, prepareReadFixed, prepareReadv, prepareReadvFixed } from './opcodes/read.js';
export * from './opcodes/socket.js';
export * from './opcodes/space.js';
export * from './opcodes/splice.js';
export * from './opcodes/statx.js';
export * from './opcodes/sync.js';
export {
  IORING_TIMEOUT_ABS,
  IORING_TIMEOUT_BOOTTIME,
  IORING_TIMEOUT_ETIME_SUCCESS,
  IORING_TIMEOUT_MULTISHOT,
  IORING_TIMEOUT_REALTIME,
  prepareLinkTimeout,
  prepareTimeout,
  prepareTimeoutRemove,
  prepareTimeoutUpdate,
} from './opcodes/timeout.js';
export { prepareWrite, prepareWriteFixed, prepareWritev, prepareWritevFixed } from './opcodes/write.js';
export { type ProbeResult, probe } from './probe.js';
export { RequestChain } from './request-chain.js';
export { Ring } from './ring.js';
export { type FileTarget, FixedFile, RingFile } from './ring-file.js';
export { threadRing } from './ring-of-thread.js';
export type { RingOptions } from './ring-options.js';
export { RingRequest } from './ring-request.js';
export type { RingStatistics } from './ring-statistics.js';
export { openEventFd, RingWaker, wakeRing } from './ring-waker.js';
export { requestError } from './run-request.js';
export { cancelSync } from './sync-cancel.js';
export { type Libc, libc } from './syscalls.js';
export { ThreadRing, type ThreadRingOptions } from './thread-ring.js';
export { TRANSFER_MAX_BYTES } from './transfer-max.js';
export { waitForDoors } from './wait-for-doors.js';
export { WEB_ASSEMBLY_PAGES_MAX, type WebAssemblyMemory, WebAssemblyProgram } from './web-assembly.js';
