// The `bench` script of this workspace: the main job, and then how near `run` is to fio. npm starts scripts in the workspace's folder, but a
// file named after --json or --directory is meant from where the command was typed.
import { spawnSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median, printTable, spread } from '../../../scripts/bench-table.mjs';
import { measureAgreement } from './agreement.mjs';
import { breakdownTable, figuresOf, verdictOf } from './agreement-report.mjs';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const FULL = { repeats: 5, runtimeMs: 1000, size: '256m' };
const QUICK = { repeats: 1, runtimeMs: 200, size: '64m' };

if (process.env.INIT_CWD !== undefined) process.chdir(process.env.INIT_CWD);

const args = process.argv.slice(2);
const { status } = spawnSync(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' });
const onlyAsks = args.some((arg) => ['-h', '--help', '--version'].includes(arg));
if (status === 0 && !onlyAsks) addAgreement();
process.exitCode = status ?? 1;

/** The report is complete without it, and gets it besides. */
function addAgreement() {
  const amount = args.includes('--quick') ? QUICK : FULL;
  const found = measureAgreement({ ...amount, directory: argumentOf('--directory') });
  console.log('\nbiodone-bench run over fio, the same way into the kernel, pair by pair');
  const rows = found.flatMap(({ title, iops, p50 }) => [
    [`${title}, IOPS`, ...spread(iops)],
    [`${title}, p50`, ...spread(p50)],
  ]);
  printTable([['4 KiB random reads', 'median', 'lowest', 'highest'], ...rows]);
  console.log(found.map((agreement) => `- ${verdictOf(agreement)}`).join('\n'));
  for (const { breakdown } of found) {
    if (breakdown === null) continue;
    console.log('\nmedians of the same series');
    printTable(breakdownTable(breakdown));
  }
  for (const reason of new Set(found.flatMap(({ reason }) => (reason === null ? [] : [reason])))) console.log(`- ${reason}`);
  const file = argumentOf('--json');
  if (file === null) return;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  for (const { id, values } of figuresOf(found)) {
    report.figures[id] = values.length === 0 ? null : Number(median(values).toPrecision(4));
    report.spread[id] = values.length === 0 ? null : { min: Math.min(...values), max: Math.max(...values) };
  }
  const temporary = `${file}.${process.pid}.part`;
  writeFileSync(temporary, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(temporary, file);
}

/** `--name value` and `--name=value`. */
function argumentOf(name) {
  const inline = args.find((arg) => arg.startsWith(`${name}=`));
  if (inline !== undefined) return inline.slice(name.length + 1);
  const at = args.indexOf(name);
  return at < 0 ? null : (args[at + 1] ?? null);
}
