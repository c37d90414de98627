import { describe, expect, it } from 'vitest';
import { exampleFencesOf, fencesOf } from './support/fences.js';

describe('finding the examples of a text', () => {
  it('takes the fences of JavaScript only, with their lines', () => {
    const text = ['# Title', '```js', 'a();', '```', '```sh', 'b', '```', '  ```js', '  c();', '  ```'].join('\n');
    expect(fencesOf(text)).toEqual([
      { line: 2, code: 'a();\n' },
      { line: 8, code: 'c();\n' },
    ]);
  });

  it('takes the reason of a fence that is not to be run', () => {
    const text = ['```js no-run: needs a disk', 'a();', '```'].join('\n');
    expect(fencesOf(text)).toEqual([{ line: 1, code: 'a();\n', skipReason: 'needs a disk' }]);
  });

  it('takes the fences in @example blocks, and no others', () => {
    const text = [
      'const x = 1;',
      '/**',
      ' * A thing.',
      ' *',
      ' * ```ts',
      ' * no();',
      ' * ```',
      ' *',
      ' * @example',
      ' * In words:',
      ' * ```ts',
      ' * if (yes()) {',
      ' *   go();',
      ' * }',
      ' * ```',
      ' * @returns nothing',
      ' */',
    ].join('\n');
    expect(exampleFencesOf(text)).toEqual([{ line: 11, code: 'if (yes()) {\n  go();\n}\n' }]);
  });
});
