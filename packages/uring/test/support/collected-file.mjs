// Forgets files while they are open, and says what becomes of them. Run with --expose-gc.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { RingFile } from '@biodone/uring';

function isOpen(fd) {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

function forget() {
  // Of one that is closed in time nobody hears.
  void RingFile.open(process.execPath).close();
  return {
    adopted: RingFile.adopt(openSync(process.execPath), { path: process.execPath }).fd,
    borrowed: RingFile.borrow(openSync(process.execPath)).fd,
  };
}

const kept = RingFile.open(process.execPath);
const { adopted, borrowed } = forget();
process.removeAllListeners('warning');
process.once('warning', ({ code, message }) => {
  // Before anything is written, which may open something under the number.
  const open = `kept ${isOpen(kept.fd)}, adopted ${isOpen(adopted)}, borrowed ${isOpen(borrowed)}`;
  console.log(code, message);
  console.log(open);
  clearInterval(collecting);
  closeSync(borrowed);
  void kept.close();
});
const collecting = setInterval(() => globalThis.gc(), 1);
