/**
 * Numbers of the kernel's interface, from include/uapi/linux/io_uring.h (Linux 6.18), include/uapi/asm-generic/unistd.h and
 * include/uapi/asm-generic/mman-common.h. The system call numbers are the same on x86-64 and arm64.
 */

export const SYS_io_uring_setup: number = 425;
export const SYS_io_uring_enter: number = 426;
export const SYS_io_uring_register: number = 427;

export const IORING_SETUP_CQSIZE: number = 1 << 3;
export const IORING_SETUP_CLAMP: number = 1 << 4;
export const IORING_SETUP_SUBMIT_ALL: number = 1 << 7;
export const IORING_SETUP_COOP_TASKRUN: number = 1 << 8;
export const IORING_SETUP_SINGLE_ISSUER: number = 1 << 12;
export const IORING_SETUP_DEFER_TASKRUN: number = 1 << 13;

export const IORING_ENTER_GETEVENTS: number = 1 << 0;
export const IORING_ENTER_EXT_ARG: number = 1 << 3;

export const IORING_FEAT_SINGLE_MMAP: number = 1 << 0;
export const IORING_FEAT_NODROP: number = 1 << 1;
export const IORING_FEAT_EXT_ARG: number = 1 << 8;

export const IORING_OFF_SQ_RING: number = 0;
export const IORING_OFF_SQES: number = 0x10000000;

/** Bit of the completion queue's `flags` word: while it is set, completions do not signal the registered eventfd. */
export const IORING_CQ_EVENTFD_DISABLED: number = 1 << 0;

/** Bits of the submission queue's `flags` word: completions wait in the kernel's backlog, or for a system call. */
export const IORING_SQ_CQ_OVERFLOW: number = 1 << 1;
export const IORING_SQ_TASKRUN: number = 1 << 2;

export const IORING_REGISTER_EVENTFD: number = 4;

export const IORING_OP_NOP: number = 0;
export const IORING_OP_FSYNC: number = 3;
export const IORING_OP_READ: number = 22;
export const IORING_OP_WRITE: number = 23;

export const IORING_FSYNC_DATASYNC: number = 1 << 0;

/** `struct io_uring_params`: 120 bytes; the word indexes of the members that are read or written here. */
export const PARAMS_BYTES: number = 120;
export const PARAMS_SQ_ENTRIES: number = 0;
export const PARAMS_CQ_ENTRIES: number = 1;
export const PARAMS_FLAGS: number = 2;
export const PARAMS_FEATURES: number = 5;
/** Where `struct io_sqring_offsets` begins; its members: head, tail, ring_mask, ring_entries, flags, dropped, array. */
export const PARAMS_SQ_OFF: number = 10;
/** Where `struct io_cqring_offsets` begins; its members: head, tail, ring_mask, ring_entries, overflow, cqes, flags. */
export const PARAMS_CQ_OFF: number = 20;

/** `struct io_uring_sqe` is 64 bytes, `struct io_uring_cqe` (user_data, res, flags) 16. */
export const SQE_BYTES: number = 64;
export const CQE_BYTES: number = 16;

export const PROT_READ: number = 1;
export const PROT_WRITE: number = 2;
export const MAP_SHARED: number = 1;
export const MAP_POPULATE: number = 0x8000;

export const O_NONBLOCK: number = 0x800;
export const O_CLOEXEC: number = 0x80000;

export const EPERM: number = 1;
export const EINTR: number = 4;
export const EIO: number = 5;
export const EBADF: number = 9;
export const EAGAIN: number = 11;
export const ENOMEM: number = 12;
export const EBUSY: number = 16;
export const EINVAL: number = 22;
export const ENOSYS: number = 38;
export const ETIME: number = 62;
