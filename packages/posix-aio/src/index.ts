/**
 * POSIX asynchronous I/O for Node.js, under the names of POSIX, and of BSD where that has more, and with POSIX's constants: on descriptors of the
 * process, and on any block device.
 *
 * Where POSIX has a call return -1, the function throws a SystemError with the errno.
 *
 * {@link open} gives an {@link AioFile}, with the methods of Node's FileHandle; {@link aio} reads and writes descriptors with promises.
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
export { AioFile } from './file/aio-file.js';
export * as aio from './file/descriptor-promises.js';
export type { AioReadResult, AioReadvResult, AioWriteResult, AioWritevResult, FileMemory } from './file/file-memory.js';
export { type AioFileOptions, open } from './file/open.js';
export type { PartOptions, TransferOptions, VectorOptions } from './file/transfer-arguments.js';
export type { WebStreamOptions } from './file/web-stream.js';
export { type AioConfiguration, configure, sysconf } from './limits.js';
export { lio_listio, lio_listioAsync } from './lio-listio.js';
export type { CompletionQueue, sigevent } from './sigevent.js';
