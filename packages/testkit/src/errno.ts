import { constants } from 'node:os';

/** What is compared is not the same. */
export const EILSEQ: number = constants.errno.EILSEQ;
/** Something else is under way there. */
export const EBUSY: number = constants.errno.EBUSY;
/** The device is gone. */
export const ENODEV: number = constants.errno.ENODEV;
