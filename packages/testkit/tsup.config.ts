import type { Options } from 'tsup';
import { buildOptions } from '../../tsup.base.js';

const options: Options = buildOptions(['src/index.ts']);

export default options;
