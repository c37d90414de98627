// Runs the tests of the package that it is started in, and does not wait for ever: a test that blocks its thread in a system call is beyond the time
// limits of the test runner. When nothing has been heard for some minutes this tells where each thread of each process is, ends them, and runs the
// tests once more, saying so. If that falls silent too, the tests have failed.
//
//   node ../../scripts/vitest.mjs [OPTION OF VITEST…]
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The longest test file takes a minute, and several times as long on a busy machine. */
const SILENCE_MAX_MS = Number(process.env.BIODONE_TEST_SILENCE_MS ?? 240_000);
const TURNS = 2;

let status = 1;
for (let turn = 1; turn <= TURNS; turn++) {
  const ended = await run();
  if (ended !== 'silent') {
    status = ended;
    break;
  }
  process.stderr.write(
    `\nthe tests have said nothing for ${SILENCE_MAX_MS / 1000} s and were ended${turn < TURNS ? '; once more' : ''}\n`,
  );
}
process.exitCode = status;

/** Runs vitest. Resolves to its exit status, or to `'silent'`. */
function run() {
  const vitest = join(dirname(createRequire(join(process.cwd(), 'package.json')).resolve('vitest/package.json')), 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
    stdio: ['inherit', 'pipe', 'pipe'],
    env: { FORCE_COLOR: process.stdout.isTTY ? '1' : undefined, ...process.env },
  });
  return new Promise((resolve, reject) => {
    let isSilent = false;
    const onSilence = () => {
      isSilent = true;
      end(child.pid);
    };
    let timer = setTimeout(onSilence, SILENCE_MAX_MS);
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.on('data', (chunk) => {
        to.write(chunk);
        clearTimeout(timer);
        if (!isSilent) timer = setTimeout(onSilence, SILENCE_MAX_MS);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(isSilent ? 'silent' : (code ?? 1));
    });
  });
}

/** Tells where the threads of a process and of its descendants are, and ends them, the youngest first. */
function end(pid) {
  for (const child of childrenOf(pid)) end(child);
  tell(pid);
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function tell(pid) {
  const lines = [`\nprocess ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`];
  for (const thread of list(`/proc/${pid}/task`)) {
    const of = (name) => read(`/proc/${pid}/task/${thread}/${name}`).trim();
    lines.push(`  thread ${thread}, ${of('comm')}: in ${of('wchan')}, system call ${of('syscall')}`);
  }
  process.stderr.write(`${lines.join('\n')}\n`);
}

function childrenOf(pid) {
  return list(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
}

/** What there is under /proc, as far as there is one, and it may be seen. */
function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function list(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
