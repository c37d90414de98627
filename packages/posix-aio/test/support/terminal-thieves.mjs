// Reads a terminal that others read too, and take the lines of: node terminal-thieves.mjs raw|file [ENGINE]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, openSync, readlinkSync, writeSync } from 'node:fs';
import { aio, configure, open } from '@biodone/posix-aio';
import { IoBuffer, libc } from '@biodone/uring';

const [how, engine] = process.argv.slice(2);
if (engine !== undefined) configure({ engine });
const user = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
const argument = IoBuffer.allocate(4, 4);
const number = new Int32Array(argument.bytes.buffer, argument.bytes.byteOffset, 1);
libc().ioctl(user, 0x40045431, argument.address);
libc().ioctl(user, 0x80045430, argument.address);
const path = `/dev/pts/${number[0]}`;
const file = await open(path, constants.O_RDWR | constants.O_NOCTTY);
const thieves = [1, 2].map(() => spawn('cat', [path], { stdio: 'ignore' }));
for (const { pid } of thieves) {
  const isReading = () => {
    try {
      return readlinkSync(`/proc/${pid}/fd/3`) === path;
    } catch {
      return false;
    }
  };
  while (!isReading()) await new Promise((resolve) => setImmediate(resolve));
}
let lines = 0;
const readOn = async () => {
  for (;;) {
    const { bytesRead } = await (how === 'raw' ? aio.read(file.fd, Buffer.alloc(64)) : file.read(Buffer.alloc(64)));
    if (bytesRead !== 5) throw new Error(`a line of ${bytesRead} bytes`);
    lines += 1;
  }
};
void readOn();
for (let line = 0; line < 300; line++) {
  writeSync(user, 'line\n');
  await new Promise((resolve) => setImmediate(resolve));
}
for (const thief of thieves) {
  thief.kill('SIGKILL');
  // Until it has ended it may take one more.
  await once(thief, 'exit');
}
const before = lines;
writeSync(user, 'line\n');
while (lines === before) await new Promise((resolve) => setImmediate(resolve));
console.log('not blocked');
process.exit();
