import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as uring from '@biodone/uring';
import { expect, it } from 'vitest';

it('the README lists every prepare function, and no others', () => {
  const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const [, table = ''] = text.split('### Operations');
  const listed = table.split('### Examples')[0]?.match(/\bprepare\w+/g) ?? [];
  const exported = Object.keys(uring).filter((name) => name.startsWith('prepare'));
  expect([...listed].sort()).toEqual(exported.sort());
});
