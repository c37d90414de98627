// Runs turbo as this workspace wants it: silent towards the network, and with one cache per Node version, since
// turbo itself would answer a test under one version with the result of another.
//
//   node scripts/turbo.mjs [--quiet] run TASK…
//
// --quiet shows turbo's output only if it fails.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Runs turbo in the workspace.
 *
 * @param {string[]} args turbo's own arguments
 * @param {{ quiet?: boolean }} [options]
 * @returns {Promise<number>} its exit status
 */
export async function runTurbo(args, { quiet = false } = {}) {
  const turbo = createRequire(import.meta.url).resolve('turbo/bin/turbo');
  const child = spawn(process.execPath, [turbo, ...args], {
    cwd: root,
    stdio: ['inherit', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    env: {
      ...process.env,
      BIODONE_NODE_VERSION: process.version,
      TURBO_TELEMETRY_DISABLED: '1',
      TURBO_NO_UPDATE_NOTIFIER: '1',
      DO_NOT_TRACK: '1',
    },
  });
  const output = [];
  child.stdout?.on('data', (chunk) => output.push(chunk));
  child.stderr?.on('data', (chunk) => output.push(chunk));
  const patience = quiet
    ? setTimeout(() => process.stderr.write('Building the workspace (only the first time takes long) …\n'), 1500)
    : undefined;
  // Ctrl-C reaches turbo directly, being in the same process group: this process only has to outlive it.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
  process.off('SIGINT', ignore);
  clearTimeout(patience);
  if (status !== 0) {
    process.stderr.write(Buffer.concat(output));
  }
  return status;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const quiet = args[0] === '--quiet';
  process.exitCode = await runTurbo(quiet ? args.slice(1) : args, { quiet });
}
