import { constants } from 'node:os';

/** The use of an object that a handle names is over. */
export const ESTALE: number = constants.errno.ESTALE;
/** Nothing has that id. */
export const ESRCH: number = constants.errno.ESRCH;
/** The range is not what a compare-and-write was to find there. */
export const EILSEQ: number = constants.errno.EILSEQ;
