import type { Options } from 'tsup';

/** How every package of the workspace is built: ES modules with declarations and source maps. */
export function buildOptions(entry: string[]): Options {
  return {
    entry,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    clean: true,
    silent: true,
    sourcemap: true,
    // Two entries of a package share their common code as one module, or its state would exist twice.
    splitting: true,
    // The declarations' bundler sets an option that TypeScript 6 calls deprecated; this accepts it there only.
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  };
}
