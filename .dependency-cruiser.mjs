// The direction of imports. A layer imports only what lies below it, through its package name; within a
// package nothing goes in circles, not even types.

/** The layers, from the bottom to the top. */
const layers = ['packages/sync', 'packages/uring', 'packages/blockdev', 'packages/aio', 'packages/posix-aio', 'apps/bench'];

/** What tests are made of stands beside the layers: it may know those that are no app, and no layer may know it, in its tests neither. */
const testkit = 'packages/testkit';

const nameOf = (layer) => `@biodone/${layer.split('/')[1]}`;

const testkitIsForTests = {
  name: 'only-leaf-tests-use-testkit',
  comment: 'testkit builds on the layers: one that used it, be it in its tests, would have to be built before itself.',
  severity: 'error',
  from: { path: `^(${layers.join('|')})/` },
  to: { path: [`^${testkit}/`, `^${nameOf(testkit)}(/|$)`] },
};

const testkitKnowsNoApp = {
  name: 'testkit-knows-no-app',
  comment: 'testkit is published without the apps.',
  severity: 'error',
  from: { path: `^${testkit}/` },
  to: { path: ['^apps/', `^${nameOf('apps/bench')}(/|$)`] },
};

const onlyDownwards = layers.slice(0, -1).map((layer, index) => {
  const above = layers.slice(index + 1);
  return {
    name: `only-downwards-from-${layer.split('/')[1]}`,
    comment: `${layer} must not know the layers above it.`,
    severity: 'error',
    from: { path: `^${layer}/` },
    // The second form is a package that is not built or not installed, whose name cannot be resolved.
    to: { path: [`^(${above.join('|')})/`, `^(${above.map(nameOf).join('|')})(/|$)`] },
  };
});

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...onlyDownwards,
    testkitIsForTests,
    testkitKnowsNoApp,
    {
      name: 'no-circular',
      comment: 'Modules in a circle cannot be understood, tested or loaded one by one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'only-through-the-package-name',
      comment: 'Another package is imported by its name, so that only its public surface can be used.',
      severity: 'error',
      from: { path: '^((?:packages|apps)/[^/]+)/' },
      to: { path: '^(packages|apps)/[^/]+/(src|test)/', pathNot: '^$1/' },
    },
    {
      name: 'no-import-of-oneself',
      comment: 'A source file that imports its own package by name would load the built copy of itself.',
      severity: 'error',
      from: { path: '^((?:packages|apps)/[^/]+)/src/' },
      to: { path: '^$1/dist/' },
    },
    {
      name: 'tests-use-the-package-as-its-users-do',
      comment:
        'A test imports the package by its name, and so sees what is built and exported. An app exports nothing, so its parts ' +
        'are tested from its sources.',
      severity: 'error',
      from: { path: '^packages/[^/]+/test/' },
      to: { path: '^(packages|apps)/[^/]+/src/' },
    },
    {
      name: 'only-koffi',
      comment: 'koffi is the only foreign package that a layer may need at run time, and only uring opens that door.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: 'node_modules/', pathNot: ['node_modules/koffi/', 'node_modules/@types/node/'] },
    },
    {
      name: 'only-checksums-in-bench',
      comment: 'The benchmark may need checksums at run time, and nothing else that is foreign.',
      severity: 'error',
      from: { path: '^apps/[^/]+/src/' },
      to: { path: 'node_modules/', pathNot: ['node_modules/hash-wasm/', 'node_modules/@types/node/'] },
    },
    {
      name: 'koffi-only-in-uring',
      comment: 'Foreign functions are called in one package, so that the others stay plain JavaScript.',
      severity: 'error',
      from: { path: '^(packages|apps)/[^/]+/src/', pathNot: '^packages/uring/' },
      to: { path: 'node_modules/koffi/' },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that cannot be resolved escapes every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    // Imports of types count too: they tie modules together just as well.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.json'],
    },
  },
};
