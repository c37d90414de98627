import type { Options } from 'tsup';
import { buildOptions } from '../../tsup.base.js';

// A program has no types to offer: nothing imports it.
// A job's thread runs a program of its own.
const options: Options = { ...buildOptions(['src/main.ts', 'src/job-thread.ts']), dts: false };

export default options;
