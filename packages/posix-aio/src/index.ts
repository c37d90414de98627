/**
 * POSIX asynchronous I/O for Node.js: `aio_read`, `aio_write`, `aio_error`, `aio_return` and `aio_suspend` on descriptors, under their
 * POSIX names and with POSIX's constants.
 *
 * Where POSIX has a call return -1, the function throws a SystemError with the errno.
 *
 * @packageDocumentation
 */

export { aio_error } from './aio-error.js';
export { aio_read } from './aio-read.js';
export { aio_return } from './aio-return.js';
export { aio_suspend, aio_suspendAsync } from './aio-suspend.js';
export { aio_write } from './aio-write.js';
export { aiocb, type RequestState, type sigevent } from './aiocb.js';
export { AIO_MAX, AIO_PRIO_DELTA_MAX, EINPROGRESS, LIO_NOP, LIO_READ, LIO_WRITE, SIGEV_NONE } from './constants.js';
export { AioFile, type AioReadResult, type AioWriteResult, type FileMemory, type PartOptions } from './file/aio-file.js';
export { type AioFileOptions, open } from './file/open.js';
export type { TransferOptions } from './file/transfer-arguments.js';
export type { WebStreamOptions } from './file/web-stream.js';
