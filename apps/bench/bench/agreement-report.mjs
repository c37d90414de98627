// What the pairs of agreement.mjs have to say: the ratios of each pair, whether the two agree, and where the time of an I/O goes that costs more.
import { median } from '../../../scripts/bench-table.mjs';

/** Medians further apart than this are no agreement. fio beside itself varies by 5 to 10 %. */
const AGREEMENT = 0.1;
/** Who costs more than this share beside fio owes an explanation. */
const COST_MAX = 0.05;

export function agreementOf({ id, title, isExplained = false, turns = 1 }, measured) {
  const [fio, ours] = measured;
  const iops = ratios(ours, fio, 'iops', turns);
  const isCostly = iops.length > 0 && median(iops) < 1 - COST_MAX;
  return {
    id,
    title,
    isExplained,
    iops,
    p50: ratios(ours, fio, 'p50Ns', turns),
    breakdown: isCostly && isExplained ? breakdownOf(measured) : null,
    reason: fio.unavailable ?? ours.unavailable,
  };
}

export function verdictOf({ title, isExplained, iops, p50 }) {
  if (iops.length === 0) return `${title}: not measured`;
  const [rate, latency] = [median(iops), median(p50)];
  const figures = `IOPS ${rate.toFixed(3)}, p50 ${latency.toFixed(3)} of fio's`;
  if (isNear(rate) && isNear(latency)) return `${title}: agrees with fio within 10 % (${figures})`;
  return `${title}: does not agree with fio within 10 % (${figures})${isExplained ? '; the table below shows where the time goes' : ''}`;
}

export function breakdownOf([fio, ours, node, fioNull, ourNull]) {
  const [fioWhole, oursWhole, nodeWhole, fioLoop, ourLoop] = [fio, ours, node, fioNull, ourNull].map(nsPerIo);
  const row = (part, values) => ({ part, fio: values[0], ours: values[1], node: values[2], extra: values[1] - values[0] });
  const wholes = [fioWhole, oursWhole, nodeWhole];
  // fs.readSync is measured by the same loop as ours.
  const loops = [fioLoop, ourLoop, ourLoop];
  return [
    row('whole', wholes),
    row('of it the loop, its clock and statistics', loops),
    row(
      'of it the call, down to the kernel and in it',
      wholes.map((whole, index) => whole - loops[index]),
    ),
  ];
}

export function breakdownTable(breakdown) {
  const ns = (value) => (Number.isNaN(value) ? 'not available' : String(value));
  return [
    ['one cached read, nanoseconds', 'fio psync', 'biodone sync', 'fs.readSync', 'biodone over fio'],
    ...breakdown.map(({ part, fio, ours, node, extra }) => [part, ...[fio, ours, node, extra].map(ns)]),
  ];
}

export function figuresOf(found) {
  return found.flatMap(({ id, iops, p50 }) => [
    { id, values: iops },
    { id: `${id}_p50`, values: p50 },
  ]);
}

function isNear(ratio) {
  return Math.abs(ratio - 1) <= AGREEMENT;
}

/** Whole numbers, so that the rows add up as they are printed. NaN for a side that was not to be had. */
function nsPerIo({ repeats }) {
  return repeats.length === 0 ? Number.NaN : Math.round(1e9 / median(repeats.map(({ iops }) => iops)));
}

function ratios(ours, fio, quantity, turns) {
  const means = [ours, fio].map(({ repeats }) =>
    meansOf(
      repeats.map((repeat) => repeat[quantity]),
      turns,
    ),
  );
  const pairs = Math.min(...means.map(({ length }) => length));
  return Array.from({ length: pairs }, (_, index) => means[0][index] / means[1][index]);
}

/** The mean of each `turns` values that follow each other. What is left over at the end does not count. */
function meansOf(values, turns) {
  return Array.from({ length: Math.floor(values.length / turns) }, (_, index) => {
    const some = values.slice(index * turns, (index + 1) * turns);
    return some.reduce((sum, value) => sum + value, 0) / turns;
  });
}
