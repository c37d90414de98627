import type { AioServiceClass } from './service-class.js';
import type { AioServicePool } from './service-pool.js';

/** What operations are submitted to. */
export type OperationTarget = AioServicePool | AioServiceClass;
