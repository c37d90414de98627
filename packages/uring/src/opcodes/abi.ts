/** Numbers of single operations, from include/uapi/linux/io_uring.h (Linux 6.18). */

export const IORING_OP_NOP: number = 0;
export const IORING_OP_READV: number = 1;
export const IORING_OP_WRITEV: number = 2;
export const IORING_OP_FSYNC: number = 3;
export const IORING_OP_READ_FIXED: number = 4;
export const IORING_OP_WRITE_FIXED: number = 5;
export const IORING_OP_POLL_ADD: number = 6;
export const IORING_OP_POLL_REMOVE: number = 7;
export const IORING_OP_SYNC_FILE_RANGE: number = 8;
export const IORING_OP_TIMEOUT: number = 11;
export const IORING_OP_TIMEOUT_REMOVE: number = 12;
export const IORING_OP_ACCEPT: number = 13;
export const IORING_OP_ASYNC_CANCEL: number = 14;
export const IORING_OP_LINK_TIMEOUT: number = 15;
export const IORING_OP_CONNECT: number = 16;
export const IORING_OP_FALLOCATE: number = 17;
export const IORING_OP_OPENAT: number = 18;
export const IORING_OP_CLOSE: number = 19;
export const IORING_OP_STATX: number = 21;
export const IORING_OP_READ: number = 22;
export const IORING_OP_WRITE: number = 23;
export const IORING_OP_SEND: number = 26;
export const IORING_OP_RECV: number = 27;
export const IORING_OP_SPLICE: number = 30;
export const IORING_OP_SHUTDOWN: number = 34;
export const IORING_OP_RENAMEAT: number = 35;
export const IORING_OP_UNLINKAT: number = 36;
export const IORING_OP_MSG_RING: number = 40;
export const IORING_OP_SOCKET: number = 45;
export const IORING_OP_URING_CMD: number = 46;
export const IORING_OP_FTRUNCATE: number = 55;
export const IORING_OP_BIND: number = 56;
export const IORING_OP_LISTEN: number = 57;
export const IORING_OP_READV_FIXED: number = 60;
export const IORING_OP_WRITEV_FIXED: number = 61;

export const IORING_ASYNC_CANCEL_ALL: number = 1 << 0;
export const IORING_ASYNC_CANCEL_FD: number = 1 << 1;
export const IORING_ASYNC_CANCEL_ANY: number = 1 << 2;
export const IORING_ASYNC_CANCEL_FD_FIXED: number = 1 << 3;
export const IORING_ASYNC_CANCEL_USERDATA: number = 1 << 4;
export const IORING_ASYNC_CANCEL_OP: number = 1 << 5;

/** By opcode: the names that errors carry as `syscall`, and that probe() reports. */
export const OPERATION_NAMES: readonly string[] = [
  'nop',
  'readv',
  'writev',
  'fsync',
  'read_fixed',
  'write_fixed',
  'poll_add',
  'poll_remove',
  'sync_file_range',
  'sendmsg',
  'recvmsg',
  'timeout',
  'timeout_remove',
  'accept',
  'async_cancel',
  'link_timeout',
  'connect',
  'fallocate',
  'openat',
  'close',
  'files_update',
  'statx',
  'read',
  'write',
  'fadvise',
  'madvise',
  'send',
  'recv',
  'openat2',
  'epoll_ctl',
  'splice',
  'provide_buffers',
  'remove_buffers',
  'tee',
  'shutdown',
  'renameat',
  'unlinkat',
  'mkdirat',
  'symlinkat',
  'linkat',
  'msg_ring',
  'fsetxattr',
  'setxattr',
  'fgetxattr',
  'getxattr',
  'socket',
  'uring_cmd',
  'send_zc',
  'sendmsg_zc',
  'read_multishot',
  'waitid',
  'futex_wait',
  'futex_wake',
  'futex_waitv',
  'fixed_fd_install',
  'ftruncate',
  'bind',
  'listen',
  'recv_zc',
  'epoll_wait',
  'readv_fixed',
  'writev_fixed',
  'pipe',
];
