import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Options } from 'tsup';
import { buildOptions } from '../../tsup.base.js';

/** The terms of the library that the HTML reports carry, which ask to be carried too. */
const folder = join(dirname(createRequire(import.meta.url).resolve('uplot')), '..');
const terms = readFileSync(join(folder, 'LICENSE'), 'utf8').trim();

const options: Options[] = [
  // A program has no types to offer: nothing imports it. A job's thread runs one of its own. The script is built beside them, and may be there
  // before the folder is cleaned.
  { ...buildOptions(['src/main.ts', 'src/job-thread.ts']), dts: false, clean: ['!page.global.js'] },
  // The script of the HTML reports: a file of its own with all that it needs, which the program puts into the page.
  {
    entry: { page: 'page/page.ts' },
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    silent: true,
    clean: false,
    noExternal: [/.*/],
    loader: { '.css': 'text' },
    tsconfig: 'page/tsconfig.json',
    banner: { js: `/*! uPlot\n${terms} */` },
  },
];

export default options;
