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
export const EBUSY: number = constants.errno.EBUSY;
export const EISDIR: number = constants.errno.EISDIR;
export const EINVAL: number = constants.errno.EINVAL;
export const EFBIG: number = constants.errno.EFBIG;
export const ENOSPC: number = constants.errno.ENOSPC;
export const EROFS: number = constants.errno.EROFS;
export const EDEADLK: number = constants.errno.EDEADLK;
export const ENOSYS: number = constants.errno.ENOSYS;
export const ETIME: number = constants.errno.ETIME;
export const EOVERFLOW: number = constants.errno.EOVERFLOW;
export const ENOTSUP: number = constants.errno.EOPNOTSUPP;
export const EALREADY: number = constants.errno.EALREADY;
export const ECANCELED: number = constants.errno.ECANCELED;
