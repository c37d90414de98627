/**
 * Flags that a user of requests sets or reads: of a request (`request.flags`), of a completion, of reads and writes. From
 * include/uapi/linux/io_uring.h and include/uapi/linux/fs.h (Linux 6.18). The flags of one operation stand beside it.
 */

/** The request's `fd` is an index into the ring's table of registered files. Set by the prepare functions for a {@link FixedFile}. */
export const IOSQE_FIXED_FILE: number = 1 << 0;
/** Starts when all earlier requests have completed, and holds all later ones until it has. */
export const IOSQE_IO_DRAIN: number = 1 << 1;
/** Soft link: the next request of the chain starts when this one has succeeded in full. Set by {@link RequestChain}. */
export const IOSQE_IO_LINK: number = 1 << 2;
/** Hard link: the next request of the chain starts when this one has completed, whatever its result. */
export const IOSQE_IO_HARDLINK: number = 1 << 3;
/** Goes to a kernel worker thread at once, instead of being tried in the submitting call first. */
export const IOSQE_ASYNC: number = 1 << 4;
/** Completes only if it fails. Only within a {@link RequestChain}, and not at its end: see there. */
export const IOSQE_CQE_SKIP_SUCCESS: number = 1 << 6;

/** The request goes on: this is not its last completion. */
export const IORING_CQE_F_MORE: number = 1 << 1;
/** There is more to read from the socket. */
export const IORING_CQE_F_SOCK_NONEMPTY: number = 1 << 2;

/** Polled I/O, for rings and devices that poll. */
export const RWF_HIPRI: number = 0x1;
/** The write is as durable as one with O_DSYNC when it completes. */
export const RWF_DSYNC: number = 0x2;
/** The write is as durable as one with O_SYNC when it completes. */
export const RWF_SYNC: number = 0x4;
/** Fails with EAGAIN instead of blocking. */
export const RWF_NOWAIT: number = 0x8;
/** Writes at the end of the file, whatever the offset. */
export const RWF_APPEND: number = 0x10;
/** Writes at the offset, although the file was opened with O_APPEND. */
export const RWF_NOAPPEND: number = 0x20;
/** The write happens as a whole or not at all, also when the power fails; ENOTSUP where file or device cannot (Linux 6.11). */
export const RWF_ATOMIC: number = 0x40;

/** Classes of `request.ioPriority`, in its bits 13 to 15, from include/uapi/linux/ioprio.h; the level, 0 (high) to 7, is in the low bits. */
export const IOPRIO_CLASS_RT: number = 1 << 13;
export const IOPRIO_CLASS_BE: number = 2 << 13;
export const IOPRIO_CLASS_IDLE: number = 3 << 13;
