import { testHeader } from './header.js';
import { testTransfers } from './transfers.js';

/** The assertions of POSIX, each by its name, and what else the interface promises: for the engine that is configured. */
export function testAll(): void {
  testHeader();
  testTransfers();
}
