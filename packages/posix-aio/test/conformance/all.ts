import { testAtTheCall } from './at-the-call.js';
import { testCancel } from './cancel.js';
import { testConsumers } from './consumers.js';
import { testFsync } from './fsync.js';
import { testHeader } from './header.js';
import { testLists } from './lists.js';
import { testNetbsd } from './netbsd.js';
import { testNotifications } from './notifications.js';
import { testSeveralEngines } from './several-engines.js';
import { testStatus } from './status.js';
import { testSuspend } from './suspend.js';
import { testTransfers } from './transfers.js';

/**
 * The assertions of POSIX, each by its name, and what else the interface promises: for the engine that is configured.
 *
 * @param isRing whether that is the thread's ring
 */
export function testAll(isRing: boolean): void {
  testHeader();
  testTransfers(isRing);
  testFsync();
  testStatus();
  testSuspend();
  testSeveralEngines();
  testCancel();
  testLists(isRing);
  testNotifications();
  testAtTheCall();
  testNetbsd();
  testConsumers();
}
