import { closeSync, constants, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachFile, openFile } from '../file.js';

export const fileDefinition: DriverDefinition = defineDriver({
  name: 'file',
  summary: 'file or raw block device',
  options: {
    path: { type: 'path', summary: 'the file', required: true, position: 0 },
    readOnly: { type: 'boolean', summary: 'refuses writes', default: false },
    create: { type: 'boolean', summary: 'makes the file if there is none', default: false },
    sizeBytes: { type: 'size', summary: 'with create: how large the new file is', default: 0 },
    growable: { type: 'boolean', summary: 'writes past the end make it longer', default: false },
    direct: { type: 'boolean', summary: 'bypasses the page cache (O_DIRECT)', default: false },
    engine: { type: 'choice', summary: 'who does the I/O', choices: ['auto', 'uring', 'fs', 'sync'], default: 'auto' },
    lock: { type: 'boolean', summary: 'locks out a second writer; yes, unless readOnly' },
    accessTime: { type: 'boolean', summary: 'notes reads in its time of last access', default: false },
  },
  open: ({ path, sizeBytes, ...fileOptions }, { options, refuse }) => {
    if (sizeBytes > 0 && !fileOptions.create) throw refuse('sizeBytes', 'create=1 beside a size, as a file that exists has one');
    if (fileOptions.create) createFile(path, sizeBytes);
    return openFile(path, { ...options, ...fileOptions });
  },
  attach: attachFile,
});

/** Makes a file of this size, all of it a hole. One that exists is left as it is. */
function createFile(path: string, sizeBytes: number): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o666);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  try {
    ftruncateSync(fd, sizeBytes);
  } catch (error) {
    // A file of the wrong size would be taken for a right one the next time.
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(fd);
  }
}
