import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HELP } from '../src/help.js';
import { OPTION_TABLE } from '../src/jobs/option-table.js';
import { RUN_HELP } from '../src/run/run-help.js';

const README = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const JOB_OPTIONS = Object.keys(OPTION_TABLE).sort();

/** The rows of the table that begins with this line. */
function rowsBelow(header: string): string[] {
  const [, rest] = README.split(header);
  if (rest === undefined) throw new Error(`README.md has no table ${header}`);
  return (rest.split('\n\n')[0] ?? '').trim().split('\n').slice(1);
}

/** What stands in code in a text. */
function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
}

/** Options of a program, in a help text or a row. */
function longOptionsIn(text: string): string[] {
  return [...text.matchAll(/--[a-z-]+/g)].map(([option]) => option);
}

describe('options', () => {
  it('of jobs are in the README, all of them and no others', () => {
    // Values of an option stand behind it in parentheses.
    const named = rowsBelow('| group | options |').flatMap((row) => codeIn(row.replaceAll(/\([^)]*\)/g, '')));
    expect(named.sort()).toEqual(JOB_OPTIONS);
  });

  it('of jobs are in run --help, on lines that a terminal has room for', () => {
    const [, list = ''] = /are fio's:\n(.*?)\n\n/s.exec(RUN_HELP) ?? [];
    expect(list.trim().split(/\s+/).sort()).toEqual(JOB_OPTIONS);
    expect(RUN_HELP.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it.each([
    ['biodone-bench', HELP, '| option | meaning | default |'],
    ['biodone-bench run', RUN_HELP, '| option of the program | meaning |'],
  ])('of %s are the same in its help and in the README', (_, help, header) => {
    const helped = help.split('\n').flatMap((line) => (/^ {2}-/.test(line) ? longOptionsIn(line.slice(0, 25)) : []));
    const named = rowsBelow(header).flatMap((row) => longOptionsIn(row.split('|')[1] ?? ''));
    expect([...new Set([...named, '--help'])].sort()).toEqual(helped.sort());
  });
});
