/** Constants of <aio.h>, <signal.h> and <errno.h>, with glibc's values on Linux. */

/** `aio_lio_opcode`: a read. */
export const LIO_READ: number = 0;
/** `aio_lio_opcode`: a write. */
export const LIO_WRITE: number = 1;
/** `aio_lio_opcode`: nothing. */
export const LIO_NOP: number = 2;

/** `sigev_notify`: no notification. */
export const SIGEV_NONE: number = 1;

/** What `aio_error` returns while the request is in progress. */
export const EINPROGRESS: number = 115;

/** Requests that a thread may have in progress; beyond them a call fails with EAGAIN. */
export const AIO_MAX: number = 1024;
/** How far `aio_reqprio` may lower the priority. Priorities are accepted and have no effect yet. */
export const AIO_PRIO_DELTA_MAX: number = 20;

export const EAGAIN: number = 11;
export const EFAULT: number = 14;
export const EINVAL: number = 22;
export const ENOTSUP: number = 95;
