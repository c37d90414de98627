/**
 * POSIX asynchronous I/O for Node.js, under the names of POSIX, and of BSD where that has more, and with POSIX's constants: on descriptors of the
 * process, and on any block device.
 *
 * Where POSIX has a call return -1, the function throws a SystemError with the errno.
 *
 * @packageDocumentation
 */

export { aio_cancel } from './aio-cancel.js';
export { aio_error } from './aio-error.js';
export { AioCompletionEvent, AioEvents } from './aio-events.js';
export { aio_fsync } from './aio-fsync.js';
export { aio_mlock } from './aio-mlock.js';
export { aio_read, aio_readv } from './aio-read.js';
export { aio_return } from './aio-return.js';
export { type AioList, aio_suspend, aio_suspendAsync } from './aio-suspend.js';
export { type AioCompletion, aio_waitcomplete, aio_waitcompleteAsync } from './aio-waitcomplete.js';
export { aio_write, aio_writev } from './aio-write.js';
export { aiocb } from './aiocb.js';
export * from './constants.js';
export type { ControlBlock } from './control-block.js';
export type { EngineName } from './descriptor/engines.js';
export { type AioConfiguration, configure, sysconf } from './limits.js';
export { lio_listio, lio_listioAsync } from './lio-listio.js';
export type { CompletionQueue, sigevent } from './sigevent.js';
