import type { ViteUserConfig } from 'vitest/config';
import { testOptions } from '../../vitest.base.js';

// The explorer and the models compute for a minute; they need no quiet machine.
const options: ViteUserConfig = { ...testOptions, test: { ...testOptions.test, maxWorkers: '100%' } };

export default options;
