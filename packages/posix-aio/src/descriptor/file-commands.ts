import { type BlockCapabilities, type BlockIo, biodone } from '@biodone/blockdev';
import { EINTR, IoBuffer, type Libc, libc, TRANSFER_MAX_BYTES } from '@biodone/uring';
import {
  ADDRESS,
  COMMAND_FSYNC,
  COMMAND_READ,
  COMMAND_READV,
  COMMAND_WRITE,
  COMMAND_WRITEV,
  DESCRIPTOR,
  FILE_COMMANDS,
  FLAGS,
  LENGTH,
  OFFSET,
  OPCODE,
  RESULT,
} from './command.js';
import { CommandDriver } from './command-driver.js';
import { numbersOf } from './command-numbers.js';

/** In a service thread: does commands on files by calls that block. */
export class FileCommands extends CommandDriver {
  readonly name: string = FILE_COMMANDS;
  readonly capabilities: BlockCapabilities = { readOnly: false, progress: 'none', volatileCache: false };

  start(io: BlockIo): void {
    this.startSync(io);
    biodone(io, io.error);
  }

  startSync(io: BlockIo): void {
    const numbers = numbersOf(io);
    const at = io.bufferOffset / 8;
    const calls = libc();
    let result: number;
    do result = run(calls, numbers, at);
    while (result === -EINTR);
    numbers[at + RESULT] = result;
    io.transferredBytes = io.lengthBytes;
  }
}

function run(calls: Libc, numbers: Float64Array, at: number): number {
  const fd = numbers[at + DESCRIPTOR] as number;
  const address = numbers[at + ADDRESS] as number;
  const length = numbers[at + LENGTH] as number;
  const offset = numbers[at + OFFSET] as number;
  const bytes = Math.min(length, TRANSFER_MAX_BYTES);
  const flags = numbers[at + FLAGS] as number;
  let result: number;
  switch (numbers[at + OPCODE]) {
    case COMMAND_READ:
      result = calls.pread(fd, address, bytes, offset);
      break;
    case COMMAND_READV:
      result = calls.preadv(fd, address, length, offset);
      break;
    case COMMAND_WRITE:
      if (flags !== 0) return stableWrite(calls, fd, oneSegment(address, bytes), 1, offset, flags);
      result = calls.pwrite(fd, address, bytes, offset);
      break;
    case COMMAND_WRITEV:
      if (flags !== 0) return stableWrite(calls, fd, address, length, offset, flags);
      result = calls.pwritev(fd, address, length, offset);
      break;
    case COMMAND_FSYNC:
      result = calls.fsync(fd);
      break;
    default:
      result = calls.fdatasync(fd);
  }
  return result < 0 ? -calls.errno() : result;
}

/** A write that is stable when it returns. */
function stableWrite(calls: Libc, fd: number, vector: number, count: number, offset: number, flags: number): number {
  const { pwritev2, pwritev, fdatasync, errno } = calls;
  if (pwritev2 !== null) {
    const result = pwritev2(fd, vector, count, offset, flags);
    return result < 0 ? -errno() : result;
  }
  const result = pwritev(fd, vector, count, offset);
  return result < 0 || fdatasync(fd) < 0 ? -errno() : result;
}

let segment: IoBuffer | null = null;

/** A vector of one part, for a call that is over when it returns. */
export function oneSegment(address: number, lengthBytes: number): number {
  segment ??= IoBuffer.allocate(16, 8);
  const words = new Uint32Array(segment.bytes.buffer, segment.bytes.byteOffset, 4);
  words[0] = address;
  words[1] = address / 2 ** 32;
  words[2] = lengthBytes;
  words[3] = 0;
  return segment.address;
}
