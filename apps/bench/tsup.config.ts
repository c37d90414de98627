import type { Options } from 'tsup';
import { buildOptions } from '../../tsup.base.js';

// A program has no types to offer: nothing imports it.
const options: Options = { ...buildOptions(['src/main.ts']), dts: false };

export default options;
