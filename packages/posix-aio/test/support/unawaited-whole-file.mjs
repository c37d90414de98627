// A call about a whole file that fails, and that nobody waits for: node unawaited-whole-file.mjs FILE METHOD FLAGS
import { open } from '@biodone/posix-aio';

const [path, method, flags] = process.argv.slice(2);
const file = await open(path, flags);
void (method === 'readFile' ? file.readFile() : file[method]('x'));
