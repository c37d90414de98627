import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aiocb } from '@biodone/posix-aio';

/** A FIFO that this process has open for both directions: a read of it stays in progress until something is written. */
export class Pipe {
  readonly fd: number;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'biodone-fifo-'));
    try {
      const path = join(folder, 'fifo');
      execFileSync('mkfifo', [path]);
      this.fd = openSync(path, 'r+');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  readOf(lengthBytes: number): aiocb {
    const memory = new Uint8Array(new SharedArrayBuffer(lengthBytes));
    return Object.assign(new aiocb(), { aio_fildes: this.fd, aio_buf: memory, aio_nbytes: lengthBytes });
  }

  write(text: string): void {
    writeSync(this.fd, text);
  }

  close(): void {
    closeSync(this.fd);
  }
}
