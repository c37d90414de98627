/**
 * What the kernel moves at most in one call or ring request: 0x7ffff000 bytes, whatever is asked for, also in several parts of memory. What lies beyond is not moved,
 * and the call says so by a smaller count; see the notes of read(2). The kernel calls it MAX_RW_COUNT: 2^31 - 1, rounded down to a page of 4096 bytes; with larger
 * pages it is a little less.
 */
export const TRANSFER_MAX_BYTES = 0x7ffff000;
