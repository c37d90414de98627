export { testOptions as default } from '../../vitest.base.js';
