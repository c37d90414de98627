// Measures this package beside what it stands on and what it competes with.
//
//   npm run bench -w @biodone/sync [-- --json FILE] [-- --repeats N]
//
// All cases are run once, then all again, and so on (A B A B): what disturbs the machine for a while disturbs all of them. Each figure is the median
// of the repeats; the table shows the lowest and the highest too. Both sides of a ratio do the same work, in the same repeat.
import {
  currentLoad,
  environmentOf,
  printEnvironment,
  printFigures,
  readOptions,
  tell,
  writeFigures,
} from '../../../scripts/bench-table.mjs';
import { contention } from './contention.mjs';
import { inOneThread } from './in-one-thread.mjs';
import { queues } from './queues.mjs';
import { uncontended } from './uncontended.mjs';
import { wakeUps } from './wake-ups.mjs';

const cases = [uncontended, contention, inOneThread, wakeUps, queues];

const options = readOptions();
if (options !== undefined) await main(options);

async function main({ json, repeats }) {
  const loadBefore = currentLoad();
  const samples = new Map();
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const measure of cases) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${measure.name}`);
      for (const [id, value] of Object.entries(await measure())) {
        if (!samples.has(id)) samples.set(id, []);
        samples.get(id).push(value);
      }
    }
  }
  tell('');
  const environment = environmentOf(loadBefore, repeats);
  const figures = [...samples].map(([id, values]) => ({ id, values }));
  printFigures(figures);
  printEnvironment(environment);
  writeFigures(json, figures, environment);
}
