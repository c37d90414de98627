import { testCompletion } from './completion.js';
import { testManagement } from './management.js';
import { testModel } from './model.js';
import { testRanges } from './ranges.js';
import { testReadOnly } from './read-only.js';
import { type ConformanceRunner, type ConformanceTarget, Suite } from './suite.js';
import { testTransfers } from './transfers.js';

/**
 * Defines the tests that every block device passes, whatever it is made of: one test each for what the contract of `BlockDevice` promises.
 * Each opens a device of its own, and fails with a picture of it if it makes no progress. Of a device for reading alone (`contents`) it is what
 * needs no writes.
 *
 * @param runner where the tests go: `{ describe, it }` of vitest, mocha or node:test
 *
 * @example
 * ```js no-run: needs a test runner around it
 * import { describe, it } from 'node:test';
 * import { openMem } from '@biodone/blockdev';
 * import { blockDeviceConformance } from '@biodone/testkit';
 *
 * blockDeviceConformance({ describe, it }, { name: 'mem', open: () => openMem(2 ** 20) });
 * ```
 */
export function blockDeviceConformance(runner: ConformanceRunner, target: ConformanceTarget): void {
  const suite = new Suite(runner, target);
  const { contents } = target;
  suite.group(`the block device ${target.name}`, () => {
    if (contents !== undefined) {
      suite.group('for reading alone', () => testReadOnly(suite, contents));
      return;
    }
    suite.group('transfers', () => testTransfers(suite));
    suite.group('completion', () => testCompletion(suite));
    suite.group('ranges', () => testRanges(suite));
    suite.group('management', () => testManagement(suite));
    suite.group('model', () => testModel(suite));
  });
}
