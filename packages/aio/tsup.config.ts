import { existsSync } from 'node:fs';
import type { Options } from 'tsup';
import { buildOptions } from '../../tsup.base.js';

// The service thread's script is an entry of its own: a worker is started from its file.
const entries = ['src/index.ts', 'src/service-thread.ts'].filter((entry) => existsSync(entry));

const options: Options = {
  ...buildOptions(entries),
  // What is for the package alone, and public only since its files share it, does not stand in the declarations.
  dts: { compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true } },
};

export default options;
