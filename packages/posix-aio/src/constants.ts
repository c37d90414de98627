/** Constants of <aio.h>, <signal.h> and <errno.h>, with glibc's values on Linux. */

/** `aio_cancel`: all requests were cancelled. */
export const AIO_CANCELED: number = 0;
/** `aio_cancel`: at least one request is in progress. */
export const AIO_NOTCANCELED: number = 1;
/** `aio_cancel`: all requests had completed. */
export const AIO_ALLDONE: number = 2;

/** `aio_lio_opcode`: a read. */
export const LIO_READ: number = 0;
/** `aio_lio_opcode`: a write. */
export const LIO_WRITE: number = 1;
/** `aio_lio_opcode`: nothing. */
export const LIO_NOP: number = 2;
/** `aio_lio_opcode`: as `aio_readv`. An extension of FreeBSD, where it has another value: POSIX has taken that of `LIO_NOP` for glibc. */
export const LIO_READV: number = 3;
/** `aio_lio_opcode`: as `aio_writev`. An extension, as {@link LIO_READV}. */
export const LIO_WRITEV: number = 4;

/** `lio_listio`: wait for all requests. */
export const LIO_WAIT: number = 0;
/** `lio_listio`: return at once. */
export const LIO_NOWAIT: number = 1;

/** `sigev_notify`: a signal, queued, with `sigev_value`. */
export const SIGEV_SIGNAL: number = 0;
/** `sigev_notify`: no notification. */
export const SIGEV_NONE: number = 1;
/** `sigev_notify`: a call of `sigev_notify_function`. */
export const SIGEV_THREAD: number = 2;
/** `sigev_notify`: an event of `sigev_notify_kqueue`, an `AioEvents`. FreeBSD's name; Linux has nothing of this value. */
export const SIGEV_KEVENT: number = 3;

/** `si_code` of a signal that tells of a completion. */
export const SI_ASYNCIO: number = -4;

/** `aio_fsync`: as fdatasync(2). From asm-generic/fcntl.h. */
export const O_DSYNC: number = 0o10000;
/** `aio_fsync`: as fsync(2). */
export const O_SYNC: number = 0o4010000;

/** `sysconf`: from bits/confname.h of glibc. */
export const _SC_AIO_LISTIO_MAX: number = 23;
export const _SC_AIO_MAX: number = 24;
export const _SC_AIO_PRIO_DELTA_MAX: number = 25;

/** What `aio_error` returns while the request is in progress. */
export const EINPROGRESS: number = 115;
