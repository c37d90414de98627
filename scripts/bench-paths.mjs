// What benchmarks have in common that measure paths beside each other: each path some way to do the same work, each figure a ratio of two of them.
import {
  currentLoad,
  environmentOf,
  printEnvironment,
  printFigures,
  printTable,
  spread,
  tell,
  writeFigures,
} from './bench-table.mjs';

/**
 * Runs all paths once, then all again, and so on (A B A B, and every other time from the last to the first): what disturbs the machine for a while
 * disturbs all of them. Prints a table of the paths and one of the figures, each with the median of the repeats, the lowest and the highest, and writes
 * the report that `--json` names.
 *
 * @param {object} plan
 * @param {{json?: string, repeats: number}} plan.options from `readOptions`
 * @param {{id: string, run: (load: object) => unknown, needs?: (file: unknown) => string | null}[][]} plan.groups of paths. Those of one take turns;
 * a group begins when the one before it has had all its turns: the optimizing compiler makes code for what it has seen, and each kind of device or pool that is
 * used in a process makes that for all others slower. `needs` says why it cannot be run here;
 * `run` returns a rate, or an object with a rate as its `iops`
 * @param {{id: string, from: string[], of: (...samples: unknown[]) => number}[]} plan.figures made of the samples of the same repeat: see {@link over}
 * @param {(path: object, repeat: number) => object} plan.loadOf what to run a path with. Called right before, so that it can warm the page cache
 * @param {unknown} [plan.file] what `needs` is asked with
 * @param {() => Promise<{id: string, values: number[]}[]>} [plan.measureRest] further figures, once all paths have run
 * @param {string[]} plan.heading of the first column, and of further ones that `cellsOf` fills in
 * @param {(samples: unknown[]) => string[]} [plan.cellsOf]
 * @param {object} [plan.environment] what to tell of the environment besides
 */
export async function benchPaths({ options, groups, figures, loadOf, file, measureRest, heading, cellsOf, environment: more }) {
  const { json, repeats } = options;
  const loadBefore = currentLoad();
  const paths = groups.flat();
  const reasons = new Map(paths.map(({ id, needs }) => [id, needs?.(file) ?? null]));
  const samples = new Map(paths.map(({ id }) => [id, []]));
  for (const group of groups) {
    const possible = group.filter(({ id }) => reasons.get(id) === null);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const path of repeat % 2 === 0 ? possible : possible.toReversed()) {
        tell(`repeat ${repeat + 1} of ${repeats}: ${path.id}`);
        samples.get(path.id).push(await path.run(loadOf(path, repeat)));
      }
    }
  }
  const measured = figures.map(({ id, from, of }) => ({ id, values: valuesOf(samples, from, of) }));
  if (measureRest !== undefined) measured.push(...(await measureRest()));
  tell('');
  const environment = environmentOf(loadBefore, repeats, more);
  const rows = [...samples].map(([id, all]) => [id, ...spread(all.map(rateOf)), ...(cellsOf?.(all) ?? [])]);
  printTable([[heading[0], 'median', 'lowest', 'highest', ...heading.slice(1)], ...rows]);
  console.log();
  printFigures(measured);
  for (const reason of new Set(reasons.values())) if (reason !== null) console.log(`\nnot available: ${reason}`);
  printEnvironment(environment);
  writeFigures(json, measured, environment);
}

/** A figure that is a rate. */
export function rate(path) {
  return { from: [path], of: rateOf };
}

/** A figure that is one path's rate over another's, or their ratio of something else. Of times it is the other way round. */
export function over(ours, theirs, of = rateOf) {
  return { from: [ours, theirs], of: (our, their) => of(our) / of(their) };
}

function valuesOf(samples, from, of) {
  const columns = from.map((id) => samples.get(id));
  if (columns.some((column) => column.length === 0)) return [];
  return columns[0].map((_, repeat) => of(...columns.map((column) => column[repeat])));
}

function rateOf(sample) {
  return typeof sample === 'number' ? sample : sample.iops;
}
