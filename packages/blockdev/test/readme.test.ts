import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DeviceSpec, formatSpec, parseSpec } from '@biodone/blockdev';
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
