/**
 * Numbers of the kernel's interface to a ring, from include/uapi/linux/io_uring.h (Linux 6.18), include/uapi/asm-generic/unistd.h and
 * include/uapi/asm-generic/mman-common.h. The system call numbers are the same on x86-64 and arm64. What a single operation needs stands
 * in opcodes/abi.ts.
 */

export const SYS_io_uring_setup: number = 425;
export const SYS_io_uring_enter: number = 426;
export const SYS_io_uring_register: number = 427;
/** By architecture, as Node names them: asm/unistd_64.h of x86, asm-generic/unistd.h. */
export const SYS_rt_sigqueueinfo: Readonly<Record<string, number>> = { x64: 129, arm64: 138, riscv64: 138, loong64: 138 };

export const IORING_SETUP_SQPOLL: number = 1 << 1;
export const IORING_SETUP_SQ_AFF: number = 1 << 2;
export const IORING_SETUP_CQSIZE: number = 1 << 3;
export const IORING_SETUP_CLAMP: number = 1 << 4;
export const IORING_SETUP_ATTACH_WQ: number = 1 << 5;
export const IORING_SETUP_SUBMIT_ALL: number = 1 << 7;
export const IORING_SETUP_COOP_TASKRUN: number = 1 << 8;
export const IORING_SETUP_TASKRUN_FLAG: number = 1 << 9;
export const IORING_SETUP_SINGLE_ISSUER: number = 1 << 12;
export const IORING_SETUP_DEFER_TASKRUN: number = 1 << 13;
export const IORING_SETUP_NO_MMAP: number = 1 << 14;

export const IORING_ENTER_GETEVENTS: number = 1 << 0;
export const IORING_ENTER_SQ_WAKEUP: number = 1 << 1;
export const IORING_ENTER_SQ_WAIT: number = 1 << 2;
export const IORING_ENTER_EXT_ARG: number = 1 << 3;

export const IORING_FEAT_SINGLE_MMAP: number = 1 << 0;
export const IORING_FEAT_NODROP: number = 1 << 1;
export const IORING_FEAT_EXT_ARG: number = 1 << 8;
export const IORING_FEAT_RW_ATTR: number = 1 << 16;

/** The names of the IORING_FEAT_ bits, from bit 0 on. */
export const FEATURE_NAMES: readonly string[] = [
  'SINGLE_MMAP',
  'NODROP',
  'SUBMIT_STABLE',
  'RW_CUR_POS',
  'CUR_PERSONALITY',
  'FAST_POLL',
  'POLL_32BITS',
  'SQPOLL_NONFIXED',
  'EXT_ARG',
  'NATIVE_WORKERS',
  'RSRC_TAGS',
  'CQE_SKIP',
  'LINKED_FILE',
  'REG_REG_RING',
  'RECVSEND_BUNDLE',
  'MIN_TIMEOUT',
  'RW_ATTR',
  'NO_IOWAIT',
];

export const IORING_OFF_SQ_RING: number = 0;
export const IORING_OFF_SQES: number = 0x10000000;

/** Bit of the completion queue's `flags` word: while it is set, completions do not signal the registered eventfd. */
export const IORING_CQ_EVENTFD_DISABLED: number = 1 << 0;

/** Bits of the submission queue's `flags` word: the polling thread sleeps, completions wait in the kernel's backlog, or for a call. */
export const IORING_SQ_NEED_WAKEUP: number = 1 << 0;
export const IORING_SQ_CQ_OVERFLOW: number = 1 << 1;
export const IORING_SQ_TASKRUN: number = 1 << 2;

export const IORING_REGISTER_EVENTFD: number = 4;
export const IORING_REGISTER_PROBE: number = 8;
export const IORING_REGISTER_FILES2: number = 13;
export const IORING_REGISTER_FILES_UPDATE2: number = 14;
export const IORING_REGISTER_BUFFERS2: number = 15;
export const IORING_REGISTER_BUFFERS_UPDATE: number = 16;
export const IORING_REGISTER_SYNC_CANCEL: number = 24;
export const IORING_REGISTER_FILE_ALLOC_RANGE: number = 25;

export const IORING_RSRC_REGISTER_SPARSE: number = 1 << 0;

/** `struct io_uring_probe`: a header of 16 bytes, then 8 bytes (op, resv, flags, resv2) for each operation. */
export const PROBE_HEADER_BYTES: number = 16;
export const PROBE_OPERATION_BYTES: number = 8;
export const IO_URING_OP_SUPPORTED: number = 1 << 0;

/** `struct io_uring_params`: 120 bytes; the word indexes of the members that are read or written here. */
export const PARAMS_BYTES: number = 120;
export const PARAMS_SQ_ENTRIES: number = 0;
export const PARAMS_CQ_ENTRIES: number = 1;
export const PARAMS_FLAGS: number = 2;
export const PARAMS_SQ_THREAD_CPU: number = 3;
export const PARAMS_SQ_THREAD_IDLE: number = 4;
export const PARAMS_FEATURES: number = 5;
export const PARAMS_WQ_FD: number = 6;
/** Where `struct io_sqring_offsets` begins: head, tail, ring_mask, ring_entries, flags, dropped, array, resv1, user_addr (64 bits). */
export const PARAMS_SQ_OFF: number = 10;
export const PARAMS_SQ_USER_ADDR: number = 18;
/** Where `struct io_cqring_offsets` begins: head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1, user_addr (64 bits). */
export const PARAMS_CQ_OFF: number = 20;
export const PARAMS_CQ_USER_ADDR: number = 28;

/** `struct io_uring_sqe` is 64 bytes, `struct io_uring_cqe` (user_data, res, flags) 16, `struct io_rings` before the entries less than 256. */
export const SQE_BYTES: number = 64;
export const CQE_BYTES: number = 16;
export const RINGS_HEADER_BYTES: number = 256;

/** The kernel's IORING_MAX_ENTRIES and IORING_MAX_CQ_ENTRIES, in io_uring/io_uring.c. */
export const SQ_ENTRIES_MAX: number = 32_768;
export const CQ_ENTRIES_MAX: number = 65_536;

export const PROT_READ: number = 1;
export const PROT_WRITE: number = 2;
export const MAP_SHARED: number = 1;
export const MAP_ANONYMOUS: number = 0x20;
export const MAP_POPULATE: number = 0x8000;

export const O_NONBLOCK: number = 0x800;
export const O_CLOEXEC: number = 0x80000;
