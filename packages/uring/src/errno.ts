import { constants } from 'node:os';

/**
 * Error numbers of this platform, by name: what a request's negative result, and a failed call's errno, are compared with.
 *
 * io_uring results are Linux's; the layers above use the same table for what the C library and they themselves report, so that a
 * {@link SystemError} made of a number has the right name on every platform.
 */
export const EPERM: number = constants.errno.EPERM;
export const ENOENT: number = constants.errno.ENOENT;
export const EINTR: number = constants.errno.EINTR;
export const EIO: number = constants.errno.EIO;
export const EBADF: number = constants.errno.EBADF;
export const EAGAIN: number = constants.errno.EAGAIN;
export const ENOMEM: number = constants.errno.ENOMEM;
export const EFAULT: number = constants.errno.EFAULT;
export const EACCES: number = constants.errno.EACCES;
export const EBUSY: number = constants.errno.EBUSY;
export const EEXIST: number = constants.errno.EEXIST;
export const EXDEV: number = constants.errno.EXDEV;
export const ENOTDIR: number = constants.errno.ENOTDIR;
export const EISDIR: number = constants.errno.EISDIR;
export const EINVAL: number = constants.errno.EINVAL;
export const EMFILE: number = constants.errno.EMFILE;
export const ENFILE: number = constants.errno.ENFILE;
export const EFBIG: number = constants.errno.EFBIG;
export const ENOSPC: number = constants.errno.ENOSPC;
export const EROFS: number = constants.errno.EROFS;
export const ESPIPE: number = constants.errno.ESPIPE;
export const EPIPE: number = constants.errno.EPIPE;
export const EDEADLK: number = constants.errno.EDEADLK;
export const ENOTEMPTY: number = constants.errno.ENOTEMPTY;
export const ENOSYS: number = constants.errno.ENOSYS;
export const ETIME: number = constants.errno.ETIME;
export const EOVERFLOW: number = constants.errno.EOVERFLOW;
/** The number of EOPNOTSUPP too; errors have this name as their `code`, as Node's own. */
export const ENOTSUP: number = constants.errno.EOPNOTSUPP;
export const ENOTSOCK: number = constants.errno.ENOTSOCK;
export const EADDRINUSE: number = constants.errno.EADDRINUSE;
export const EADDRNOTAVAIL: number = constants.errno.EADDRNOTAVAIL;
export const ENETUNREACH: number = constants.errno.ENETUNREACH;
export const ECONNRESET: number = constants.errno.ECONNRESET;
export const EISCONN: number = constants.errno.EISCONN;
export const ENOTCONN: number = constants.errno.ENOTCONN;
export const ETIMEDOUT: number = constants.errno.ETIMEDOUT;
export const ECONNREFUSED: number = constants.errno.ECONNREFUSED;
export const EALREADY: number = constants.errno.EALREADY;
export const ECANCELED: number = constants.errno.ECANCELED;
