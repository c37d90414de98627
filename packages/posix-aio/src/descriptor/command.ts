/**
 * A request on a descriptor on its way to a service thread: eight numbers in shared memory, which the operation of the service has as its data. So
 * one device serves all descriptors, and no memory has to be made known to the threads: addresses are the same in all of them.
 */

export const COMMAND_BYTES = 64;

/** Which number is what. */
export const OPCODE = 0;
export const DESCRIPTOR = 1;
/** Of the memory; of a vector, of its array of `struct iovec`. */
export const ADDRESS = 2;
/** In bytes; of a vector, its count of parts. */
export const LENGTH = 3;
export const OFFSET = 4;
/** RWF_ flags of a write to a file; of a stream, 0 or {@link STREAM_WHOLE}. */
export const FLAGS = 5;
/** What came of it: the count of bytes, or a negative errno. */
export const RESULT = 6;
/** Of a write to a stream: how much of it is written. */
export const MOVED = 7;

export const COMMAND_READ = 0;
export const COMMAND_WRITE = 1;
export const COMMAND_READV = 2;
export const COMMAND_WRITEV = 3;
export const COMMAND_FSYNC = 4;
export const COMMAND_FDATASYNC = 5;

/** A write goes on until all of it is written. */
export const STREAM_WHOLE = 1;

/** The drivers of service threads, by name: for files, which block, and for streams, which are polled. */
export const FILE_COMMANDS = 'posix-aio-file';
export const STREAM_COMMANDS = 'posix-aio-stream';
