/**
 * For tests of what stands on block devices, and of block devices themselves: devices that fail, crash, verify, log and wait for the test, a
 * clock that stands, random numbers that come again, and {@link blockDeviceConformance}, the tests that every driver passes.
 *
 * @packageDocumentation
 */

export {
  type AioFailure,
  type AioSimulationResult,
  describeAioFailure,
  type ExploreOptions,
  exploreAio,
  runAioSchedule,
  shrinkAioSchedule,
} from './aio-simulation/run.js';
export { type AioSchedule, type AioStep, type AioStepKind, aioSchedule } from './aio-simulation/schedule.js';
export { blockDeviceConformance } from './conformance/index.js';
export type { ConformanceRunner, ConformanceTarget } from './conformance/suite.js';
export { type CrashDevice, type CrashLosses, type CrashOptions, openCrash } from './crash.js';
export { failEveryNth, type SweepResult, type SweepTarget } from './failure-sweep.js';
export { type FaultDevice, type FaultOptions, openFault } from './fault.js';
export type { ActiveFault, FaultAction, FaultRule } from './fault-rule.js';
export { type LogEntry, type LogWritesDevice, openLogWrites } from './log-writes.js';
export { type ManualDevice, type ManualOptions, openManual } from './manual.js';
export { checkPattern, fillPattern, openPattern, type PatternOptions } from './pattern.js';
export { openPooled, type PooledOptions } from './pooled.js';
export { withProgress } from './progress-watchdog.js';
export { SeededRandom } from './random.js';
export { registerTestDrivers } from './register.js';
export {
  compareRequest,
  flushRequest,
  memoryOf,
  type Outcome,
  readRequest,
  request,
  run,
  runSync,
  turn,
  writeRequest,
} from './requests.js';
export { type Mismatch, openVerify, type VerifyDevice, type VerifyOptions } from './verify.js';
export { VirtualTime } from './virtual-time.js';
