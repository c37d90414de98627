import { constants } from 'node:os';

/** The bytes make no sense: a medium's error. */
export const EBADMSG: number = constants.errno.EBADMSG;
/** What is compared is not the same. */
export const EILSEQ: number = constants.errno.EILSEQ;
/** Something leads back to itself. */
export const ELOOP: number = constants.errno.ELOOP;
/** There is no data: a medium's error, as Linux gives it. */
export const ENODATA: number = constants.errno.ENODATA;
/** The device is gone. */
export const ENODEV: number = constants.errno.ENODEV;
/** There is nothing: behind the end of a file, or of a device that has gone. */
export const ENXIO: number = constants.errno.ENXIO;
