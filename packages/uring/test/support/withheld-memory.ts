import { closeSync, readSync } from 'node:fs';
import { IoBuffer } from '@biodone/uring';
import koffi from 'koffi';
import { until } from './until.js';

// From include/uapi/linux/userfaultfd.h, and from asm/unistd.h.
const NUMBERS: { readonly [arch: string]: number } = { x64: 323, arm64: 282 };
const UFFDIO_API = 0xc018_aa3f;
const UFFDIO_REGISTER = 0xc020_aa00;
const UFFDIO_ZEROPAGE = 0xc020_aa04;
const UFFD_API = 0xaan;
const UFFDIO_REGISTER_MODE_MISSING = 1n;
const O_NONBLOCK_CLOEXEC = 0x8_0800;
const MADV_DONTNEED = 4;

const library = koffi.load(null);
const syscall = library.func('syscall', 'long', ['long', 'int']);
const ioctl = library.func('int ioctl(int fd, ulong request, void *argument)');
const madvise = library.func('int madvise(uintptr_t address, size_t length, int advice)');

/** A multiple of every page size that there is. */
const BYTES = 65_536;

/**
 * Memory whose pages are missing until the test provides them: userfaultfd(2). What transfers into it is stuck in the kernel, and no
 * cancel and no signal ends it. This thread must not touch it before, or it is stuck itself.
 */
export class WithheldMemory {
  readonly memory: IoBuffer = IoBuffer.allocate(BYTES, BYTES);
  readonly #fd: number = open();

  constructor() {
    madvise(this.memory.address, BYTES, MADV_DONTNEED);
    this.#control(UFFDIO_REGISTER, [BigInt(this.memory.address), BigInt(BYTES), UFFDIO_REGISTER_MODE_MISSING, 0n]);
  }

  /** Waits until somebody is stuck. */
  stuck(): Promise<void> {
    const message = new Uint8Array(32);
    return until('a transfer into memory that is withheld', () => {
      try {
        return readSync(this.#fd, message) > 0;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
        throw error;
      }
    });
  }

  provide(): void {
    this.#control(UFFDIO_ZEROPAGE, [BigInt(this.memory.address), BigInt(BYTES), 0n, 0n]);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #control(request: number, words: bigint[]): void {
    if (ioctl(this.#fd, request, BigUint64Array.from(words)) !== 0) throw new Error(`userfaultfd: errno ${koffi.errno()}`);
  }
}

function open(): number {
  const number = NUMBERS[process.arch];
  if (process.platform !== 'linux' || number === undefined)
    throw new Error(`no userfaultfd for ${process.platform} ${process.arch}`);
  const fd = syscall(number, O_NONBLOCK_CLOEXEC) as number;
  if (fd < 0) throw new Error(`userfaultfd: errno ${koffi.errno()}`);
  if (ioctl(fd, UFFDIO_API, BigUint64Array.of(UFFD_API, 0n, 0n)) === 0) return fd;
  closeSync(fd);
  throw new Error(`userfaultfd: errno ${koffi.errno()}`);
}

/** Why there is no such memory here, or null: it takes privileges that not everybody has. */
export const refusal: string | null = whyNot();

function whyNot(): string | null {
  try {
    closeSync(open());
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
