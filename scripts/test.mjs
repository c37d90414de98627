// Builds the workspace, runs every package's tests and prints how many passed and failed in all.
//
//   npm test [-- --force] [-- --filter=@biodone/sync]
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTurbo } from './turbo.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const resultFiles = ['packages', 'apps'].flatMap((folder) =>
  readdirSync(join(root, folder)).map((name) => join(root, folder, name, 'test-results', 'vitest.json')),
);

// What an earlier run left must not be counted as a result of this one; turbo restores what it answers from
// its cache.
for (const file of resultFiles) {
  rmSync(file, { force: true });
}

// The packages are tested one after the other: they measure waiting times and start threads, and side by side on
// a small machine they would only disturb one another.
const args = process.argv.slice(2);
const status = await runTurbo(['run', 'test', '--concurrency=1', '--continue', ...args]);

let passed = 0;
let failed = 0;
let skipped = 0;
for (const file of resultFiles.filter((name) => existsSync(name))) {
  const result = JSON.parse(readFileSync(file, 'utf8'));
  passed += result.numPassedTests;
  // A file that does not even load has no test that could fail, so it counts as one.
  const broken = result.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.length === 0);
  failed += result.numFailedTests + broken.length;
  skipped += result.numPendingTests + result.numTodoTests;
}
// Something can fail before any test runs, a build for one; the total must not look like a success then.
if (status !== 0 && failed === 0) {
  failed = 1;
}
if (skipped > 0) {
  console.log(`${skipped} skipped on this machine, see above`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = status === 0 && failed > 0 ? 1 : status;
