// Opens files after somebody has changed what Node's FileHandles are made by, and prints how many of three Node has opened, what can be done with them, and
// whether the last one is open after its close:
//
//   node open-with-patched-class.mjs FILE HOW
import { fstatSync } from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { open } from '@biodone/posix-aio';

const [path, how] = process.argv.slice(2);
const openHandle = promises.open;
let openedByNode = 0;

/** What `fs.promises.open` may give, and how its class is changed. */
const CHANGES = {
  nothing: (handle) => handle,
  // By whoever wants to count them.
  'a class of another name': (handle) => new Wrapper(handle),
  'a constructor that throws': (handle) =>
    withClass(
      handle,
      class FileHandle {
        constructor() {
          throw new TypeError('no constructor of yours');
        }
      },
    ),
  'a constructor that takes the descriptor otherwise': (handle) =>
    withClass(
      handle,
      class FileHandle {
        stat() {}
      },
    ),
  'a class without methods': (handle) =>
    withClass(
      handle,
      class FileHandle {
        constructor({ fd }) {
          this.fd = fd;
        }
      },
    ),
};

class Wrapper {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  get fd() {
    return this.#handle.fd;
  }

  stat(...args) {
    return this.#handle.stat(...args);
  }

  readFile(...args) {
    return this.#handle.readFile(...args);
  }

  close() {
    return this.#handle.close();
  }
}

function withClass(handle, made) {
  Object.defineProperty(handle, 'constructor', { value: made });
  return handle;
}

promises.open = async (...args) => {
  openedByNode += 1;
  return CHANGES[how](await openHandle(...args));
};
syncBuiltinESMExports();

const seen = [];
let last = -1;
for (let turn = 0; turn < 3; turn++) {
  const file = await open(path);
  last = file.fd;
  const { size } = await file.stat();
  seen.push(`${await file.readFile('utf8')} ${size}`);
  await file.close();
}
let isOpen = true;
try {
  fstatSync(last);
} catch {
  isOpen = false;
}
console.log(JSON.stringify({ openedByNode, seen, isOpen }));
