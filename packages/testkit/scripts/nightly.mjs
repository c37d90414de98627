// Runs many random schedules of the pools of @biodone/aio in virtual time, and stops at the first that shows a fault.
//
//   npm run nightly -- [--from SEED] [--count N]
//
// A million by default. Several can share the work: each gets its own --from, and a --count that reaches to the next one's.
import { parseArgs } from 'node:util';
import { describeAioFailure, exploreAio } from '@biodone/testkit';

const { values } = parseArgs({ options: { from: { type: 'string' }, count: { type: 'string', default: '1000000' } } });
const from = readCount('from', values.from ?? String(Math.floor(Math.random() * 2 ** 31)), 0);
const count = readCount('count', values.count, 1);
const REPORT_MS = 10_000;

console.log(`${count} schedules: --from ${from} --count ${count}`);
const startedAtMs = performance.now();
let reportAtMs = startedAtMs + REPORT_MS;
let schedules = 0;
let operations = 0;

const failure = await exploreAio({
  from,
  count,
  onSchedule: (index, result) => {
    schedules = index + 1;
    operations += result.operations;
    if (performance.now() < reportAtMs) return;
    reportAtMs += REPORT_MS;
    report();
  },
});
report();
if (failure !== null) {
  console.error(describeAioFailure(failure));
  process.exitCode = 1;
}

function report() {
  const seconds = (performance.now() - startedAtMs) / 1000;
  const rate = Math.round(schedules / seconds);
  console.log(`${schedules} schedules, ${operations} operations, ${rate} schedules/s, next seed ${from + schedules}`);
}

function readCount(name, text, least) {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  console.error(`--${name} must be an integer >= ${least}, not '${text}'`);
  process.exit(2);
}
