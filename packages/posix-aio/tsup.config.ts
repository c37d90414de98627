import type { Options } from 'tsup';
import { buildOptions } from '../../tsup.base.js';

// What the service threads import is an entry of its own: they are told its file.
const options: Options = buildOptions(['src/index.ts', 'src/service-drivers.ts']);

export default options;
