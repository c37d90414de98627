// Measures how a class of pools balances its load: one slow path of four, and operations of which few are much longer than the others.
//
//   npm run bench:class -w @biodone/aio [-- --json FILE] [-- --repeats N] [-- --slice MS]
//
// `npm run bench` has some of these ways too (main.mjs).
//
// All ways to balance are run once, then all again, and so on (A B A B, and every other time from the last to the first). Each warms up before it
// counts. Each figure is the median of the repeats; the table shows the lowest and the highest too. 64 operations are under way all the time, 4 at
// a path, and the rest waits. All ways get the same operations, from the same seed, and the same clock, performance.now() at the submission and
// at the callback of each. The paths are made for this and take their time by the clock (paths.mjs): a read of 4 KiB takes 125 µs, one of 64 KiB
// 500 µs, and ten times that on the slow path. All four together could do 76,000 such operations a second.
import {
  currentLoad,
  environmentOf,
  printEnvironment,
  printFigures,
  printTable,
  readOptions,
  spread,
  tell,
  writeFigures,
} from '../../../scripts/bench-table.mjs';
import { balanced } from './balancing.mjs';
import { WAYS } from './class-ways.mjs';

/** Before each slice: the queues fill, and the optimizing compiler needs a while. */
const WARM_UP_SHARE = 0.5;

/** Of each way but the plain round robin, beside that. */
const FIGURES = WAYS.slice(1).flatMap(({ id }) => [
  { id: `${id}_over_round_robin`, ours: id, of: 'perSecond' },
  { id: `${id}_p99_over_round_robin`, ours: id, of: 'p99Us' },
]);

const options = readOptions({ slice: { value: 'MS', default: 700 } });
if (options !== undefined) await main(options);

async function main({ json, repeats, slice }) {
  const loadBefore = currentLoad();
  const samples = new Map(WAYS.map(({ id }) => [id, []]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { id, options: way } of repeat % 2 === 0 ? WAYS : WAYS.toReversed()) {
      tell(`repeat ${repeat + 1} of ${repeats}: ${id}`);
      samples.get(id).push(await balanced(way, { lengthMs: slice, warmUpMs: slice * WARM_UP_SHARE, seed: repeat }));
    }
  }
  tell('');
  const environment = environmentOf(loadBefore, repeats);
  const figures = FIGURES.map(({ id, ours, of }) => ({ id, values: ratios(samples, ours, of) }));
  for (const [title, of] of [
    ['operations a second', 'perSecond'],
    ['p99, µs', 'p99Us'],
  ]) {
    printTable([
      [title, 'median', 'lowest', 'highest'],
      ...[...samples].map(([id, all]) => [id, ...spread(all.map((sample) => sample[of]))]),
    ]);
    console.log();
  }
  printFigures(figures);
  printEnvironment(environment);
  writeFigures(json, figures, environment);
}

function ratios(samples, ours, of) {
  const others = samples.get('round_robin');
  return samples.get(ours).map((sample, repeat) => sample[of] / others[repeat][of]);
}
