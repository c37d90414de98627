import type { OpenFile } from './open-file.js';

const collected = new FinalizationRegistry<OpenFile>((open) => {
  process.emitWarning(`An AioFile was collected while open, and is closed now: '${open.path}'`, {
    code: 'BIODONE_FILE_COLLECTED',
  });
  // There is nobody to tell of a failure.
  open.close().catch(() => {});
});

/** Closes what a file holds if it is collected, when the last operation on it is over. */
export function closeIfCollected(file: object, open: OpenFile): void {
  collected.register(file, open, file);
}

/** The file has been closed. */
export function forgetCollection(file: object): void {
  collected.unregister(file);
}
