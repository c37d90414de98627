// Reads of /proc/kmsg, which wait until the kernel says something, and reads of a file beside them. The arguments are the engine, how many threads service threads
// have for files, and the file. Prints how a read of the file goes beside one less, and beside as many, and when the kernel has said something.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { aio_error, aio_read, aio_return, aio_suspend, aiocb, configure, EINPROGRESS } from '@biodone/posix-aio';

const [engine, threads, path] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
configure({ engine });
const messages = openSync('/proc/kmsg', 'r');
const file = openSync(path, 'r');
const say = openSync('/dev/kmsg', 'w');

const readOf = (fd) => {
  const cb = Object.assign(new aiocb(), { aio_fildes: fd, aio_buf: Buffer.alloc(4096), aio_nbytes: 4096 });
  aio_read(cb);
  return cb;
};
const inProgress = (list) => list.filter((cb) => aio_error(cb) === EINPROGRESS);
const endOf = (cb) => (aio_error(cb) === EINPROGRESS ? 'EINPROGRESS' : `${aio_error(cb)} ${aio_return(cb)}`);

/** Takes the messages that there are, so that the next read waits. */
function drain() {
  const now = openSync('/proc/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    while (readSync(now, Buffer.alloc(65536)) > 0);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
  }
  closeSync(now);
}

/** Lets `count` threads wait for the kernel while a file is read. Null if the kernel has said something in between. */
function readBeside(count, timeoutMs) {
  drain();
  const waiting = Array.from({ length: count }, () => readOf(messages));
  const beside = readOf(file);
  try {
    aio_suspend([beside], timeoutMs);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
  }
  const end = endOf(beside);
  const isUndisturbed = inProgress(waiting).length === count;
  // Each message ends one of them at least, and then the file's turn comes.
  while (inProgress(waiting).length > 0) {
    writeSync(say, `biodone\n`);
    try {
      aio_suspend(inProgress(waiting), 1000);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
  const heard = Buffer.concat(waiting.map((cb) => cb.aio_buf.subarray(0, aio_return(cb)))).includes('biodone');
  let after = end;
  if (end === 'EINPROGRESS') {
    aio_suspend([beside]);
    after = endOf(beside);
  }
  return isUndisturbed ? { end, after, heard } : null;
}

const untilUndisturbed = (count, timeoutMs) => {
  for (let round = 0; round < 20; round++) {
    const result = readBeside(count, timeoutMs);
    if (result !== null) return result;
  }
  return 'the kernel has much to say';
};

console.log(JSON.stringify([untilUndisturbed(threads - 1, 30_000), untilUndisturbed(threads, 200)]));
