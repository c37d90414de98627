import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DeviceSpec, formatSpec, parseSpec, registeredDrivers } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';

const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const section = text.split('## Naming a device')[1]?.split('\n## ')[0] ?? '';
const rows = [...section.matchAll(/^\| `(.+)` \| `(\{.+\})` \|$/gm)].map(([, name = '', json = '']) => ({ name, json }));

describe('the names of devices in the README', () => {
  it('are found', () => {
    expect(rows.length).toBeGreaterThanOrEqual(8);
    expect(rows.length).toBe(section.match(/^\| `/gm)?.length);
  });

  it.each(rows)('$name means what stands beside it', ({ name, json }) => {
    const spec = JSON.parse(json) as DeviceSpec;
    expect(parseSpec(name)).toEqual(spec);
    expect(parseSpec(formatSpec(spec))).toEqual(spec);
  });

  it('have the options that the drivers take, in their order', () => {
    const [, table = ''] = section.split('|---|---|---|\n');
    const cells = (table.split('\n\n')[0] ?? '').split('\n').map((row) => row.split('|').slice(1, 4));
    const written = cells.map(([driver = '', placed = '', named = '']) => {
      // In parentheses stands what holds where nothing is said.
      const names = (text: string): string[] =>
        [...text.replaceAll(/\([^)]*\)\)?/g, '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '');
      return { driver: driver.trim(), placed: names(placed), named: names(named).sort() };
    });
    const taken = registeredDrivers().map(({ name, options }) => {
      const all = Object.entries(options).filter(([option]) => option !== 'childrenMax');
      const placed = all.filter(([, { position }]) => position !== undefined);
      placed.sort(([, one], [, other]) => (one.position ?? 0) - (other.position ?? 0));
      const named = all.filter(([, { position }]) => position === undefined);
      return { driver: name, placed: placed.map(([option]) => option), named: named.map(([option]) => option).sort() };
    });
    const byName = (one: { driver: string }, other: { driver: string }): number => (one.driver < other.driver ? -1 : 1);
    expect(written.sort(byName)).toEqual(taken.sort(byName));
  });

  it('are wrong in the way that it shows', () => {
    const [, shown = ''] = /^ {2}\/\/ (invalid device spec\n(?: {2}\/\/ .*\n)+)/m.exec(section) ?? [];
    const lines = shown.trimEnd().replaceAll(/^ {2}\/\/ /gm, '');
    let message = '';
    try {
      parseSpec('fiel:/data/x');
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message.replace(/\(.*\)/, '(…)')).toBe(lines);
  });
});
