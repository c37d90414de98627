import { constants } from 'node:os';

/** What is compared is not the same. */
export const EILSEQ: number = constants.errno.EILSEQ;
/** The device is gone. */
export const ENODEV: number = constants.errno.ENODEV;
