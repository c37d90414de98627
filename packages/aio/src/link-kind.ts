/** Nothing ties an operation to the one that is submitted next. */
export const LINK_NONE = 0 as const;
/** The next one starts when this one has completed with success and in full; otherwise it completes with ECANCELED (IOSQE_IO_LINK). */
export const LINK_SOFT = 1 as const;
/** The next one starts when this one has completed, however (IOSQE_IO_HARDLINK). */
export const LINK_HARD = 2 as const;

/** What ties an operation to the one that is submitted next: {@link LINK_NONE} and its like. */
export type AioLink = 0 | 1 | 2;
