import { constants } from 'node:os';

/** What is compared is not the same. */
export const EILSEQ: number = constants.errno.EILSEQ;
/** The device is gone. */
export const ENODEV: number = constants.errno.ENODEV;
/** There is nothing: behind the end of a file, or of a device that has gone. */
export const ENXIO: number = constants.errno.ENXIO;
