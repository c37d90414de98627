import { closeSync, readSync, writeSync } from 'node:fs';
import { aiocb } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';

const O_CLOEXEC = 0o2000000;

/** A pipe: a read of it stays in progress until something is written, and a write to a full one until something is read. */
export class Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
  #open: number[];

  constructor() {
    const ends = new Int32Array(2);
    if (libc().pipe2(ends, O_CLOEXEC) !== 0) throw new Error(`pipe2: errno ${libc().errno()}`);
    [this.readEnd, this.writeEnd] = ends as unknown as [number, number];
    this.#open = [this.readEnd, this.writeEnd];
  }

  /** A control block for a read. */
  readOf(lengthBytes: number, members: Partial<aiocb> = {}): aiocb {
    return blockOf(this.readEnd, new Uint8Array(new SharedArrayBuffer(lengthBytes)), members);
  }

  writeOf(bytes: Uint8Array | string, members: Partial<aiocb> = {}): aiocb {
    return blockOf(this.writeEnd, typeof bytes === 'string' ? Buffer.from(bytes) : bytes, members);
  }

  write(text: string | Uint8Array): void {
    writeSync(this.writeEnd, text as string);
  }

  read(lengthBytes: number): Buffer {
    const buffer = Buffer.alloc(lengthBytes);
    return buffer.subarray(0, readSync(this.readEnd, buffer));
  }

  closeWriteEnd(): void {
    this.#close(this.writeEnd);
  }

  closeReadEnd(): void {
    this.#close(this.readEnd);
  }

  close(): void {
    for (const fd of [...this.#open]) this.#close(fd);
  }

  #close(fd: number): void {
    this.#open = this.#open.filter((one) => one !== fd);
    closeSync(fd);
  }
}

/** A control block for all of some memory, from the beginning of the file unless told otherwise. */
export function blockOf(fildes: aiocb['aio_fildes'], memory: Uint8Array, members: Partial<aiocb> = {}): aiocb {
  return Object.assign(new aiocb(), { aio_fildes: fildes, aio_buf: memory, aio_nbytes: memory.byteLength }, members);
}
