import { openFile } from '@biodone/blockdev';

// Opens a file for writing, says how that went, and holds it until its input ends.
try {
  const device = openFile(process.argv[2], { engine: process.argv[3] });
  process.stdout.write('open');
  process.stdin.resume().once('end', () => device.close());
} catch (error) {
  process.stdout.write(`${error.code} ${error.syscall}`);
}
