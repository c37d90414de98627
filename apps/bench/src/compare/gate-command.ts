import { range, whole } from '../report/numbers.js';
import { plainTable, textCell } from '../report/text-table.js';
import { UsageError } from '../usage-error.js';
import { type GateLine, gate, passes } from './gate.js';
import { readSavedResults } from './saved-results.js';
import { parseToolArguments } from './tool-arguments.js';

/** What `biodone-bench gate --help` prints. */
const GATE_HELP = `Usage: biodone-bench gate [--max-regress PERCENT] OLD.json NEW.json

Holds new results against old ones, for builds: JSON of run, compare, the main job or fio.

  --max-regress PERCENT   so much less IOPS is still good (default: 5%)
  -h, --help              print this

A job fails when its median IOPS are less by more than that, and the ranges of its repeats
do not overlap; or when it is missing in NEW.json.

Exit status: 0 where nothing fails, 1 where something does, 2 where the request was wrong.`;

const OPTIONS = { 'max-regress': { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
const MAX_REGRESS_DEFAULT = '5%';

/** `biodone-bench gate`. @returns the exit status @throws UsageError for a request that is wrong */
export function gateCommand(args: readonly string[]): number {
  const { values, positionals } = parseToolArguments(args, OPTIONS, 'gate');
  if (values.help === true) {
    console.log(GATE_HELP);
    return 0;
  }
  const maxRegress = shareOf(values['max-regress'] ?? MAX_REGRESS_DEFAULT);
  const [oldFile, newFile, third] = positionals;
  if (oldFile === undefined || newFile === undefined || third !== undefined) {
    throw new UsageError('gate takes two files, as in gate OLD.json NEW.json: see gate --help');
  }
  const lines = gate(readSavedResults(oldFile), readSavedResults(newFile), maxRegress);
  console.log(formatGate(lines, maxRegress));
  return passes(lines) ? 0 : 1;
}

function formatGate(lines: readonly GateLine[], maxRegress: number): string {
  const columns = [
    { title: 'job', name: 'job', isNumber: false },
    { title: 'old IOPS', name: 'old_iops', isNumber: true },
    { title: '(min–max)', name: 'old_range', isNumber: true },
    { title: 'new IOPS', name: 'new_iops', isNumber: true },
    { title: '(min–max)', name: 'new_range', isNumber: true },
    { title: 'change', name: 'change', isNumber: true },
    { title: '', name: 'verdict', isNumber: false },
  ];
  const rows = lines.map((line) => [
    textCell(line.name),
    textCell(whole(line.old?.median ?? null)),
    textCell(range(line.old?.min ?? null, line.old?.max ?? null)),
    textCell(whole(line.new?.median ?? null)),
    textCell(range(line.new?.min ?? null, line.new?.max ?? null)),
    textCell(line.loss === null ? '-' : `${line.loss > 0 ? '−' : '+'}${Math.abs(line.loss * 100).toFixed(1)} %`),
    textCell(line.verdict),
  ]);
  const failed = lines.filter(({ verdict }) => verdict === 'regressed' || verdict === 'missing').length;
  const summary =
    failed === 0
      ? `No job has lost more than ${percents(maxRegress)} beyond its spread.`
      : `${failed} of ${lines.length} fail: more than ${percents(maxRegress)} less IOPS, beyond the spread, or missing.`;
  return `${plainTable({ columns, rows })}\n\n${summary}`;
}

function shareOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%?$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / 100;
  if (share >= 0 && share <= 1) return share;
  throw new UsageError(`--max-regress '${text}' is not possible: give percents from 0 to 100, as in --max-regress 5%`);
}

function percents(share: number): string {
  return `${Number((share * 100).toFixed(3))} %`;
}
