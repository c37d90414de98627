import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { EINVAL, EPERM, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { ELOOP } from '../errno.js';
import { openFile } from './file.js';

/** More images on images than anybody has. */
const CHAIN_MAX = 64;

/** The images that were opened on the way to this one, by their paths. */
export type ImageChain = readonly string[];

/** Where the file is that an image lies in. @throws SystemError EINVAL if it is not a file's */
export function pathOfImage(device: BlockDevice, call: string): string {
  const { driver, path } = device.config();
  if (driver === 'file' && typeof path === 'string') return realpathSync(path);
  const message = 'the file below can be looked for only if the image is a file itself: open what is below, and give it';
  throw new SystemError(EINVAL, call, undefined, message);
}

/**
 * Opens the file that an image names, for reading: only one beside the image, or in a folder under that. An image that somebody has sent
 * could name any file there is.
 *
 * @throws SystemError EPERM for one that is elsewhere, ELOOP for one that is in the chain already; the errors of open(2)
 */
export function openNamed(imagePath: string, name: string, chain: ImageChain, call: string): BlockDevice {
  const folder = dirname(imagePath);
  const outside = (): SystemError =>
    new SystemError(EPERM, call, name, `it does not lie beside the image, in ${folder}: open it yourself, and give it`);
  // Images name files on other systems, too.
  if (isAbsolute(name) || /^[a-z]:|^[a-z+]+:/i.test(name) || name.includes('\0')) throw outside();
  const path = realpathSync(join(folder, name));
  const from = relative(folder, path);
  if (from === '..' || from.startsWith(`..${sep}`) || isAbsolute(from)) throw outside();
  if (chain.includes(path)) {
    throw new SystemError(
      ELOOP,
      call,
      path,
      `${basename(path)} is below itself: ${[...chain, path].map((one) => basename(one)).join(' on ')}`,
    );
  }
  if (chain.length >= CHAIN_MAX)
    throw new SystemError(ELOOP, call, path, `there are more than ${CHAIN_MAX} images on each other`);
  return openFile(path, { readOnly: true });
}
