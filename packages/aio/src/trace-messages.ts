import type { AioServicePool } from './service-pool.js';
import type * as tracing from './tracing.js';

// What listeners get, by the type of its pool, which the pool itself cannot name where it makes them.

/** What all messages have: which operation of which pool it is about. It is a copy, and may be kept. */
export type AioMessage = tracing.AioMessage<AioServicePool>;
/** On `biodone:aio:start`: the operation goes to the device, or to service threads. */
export type AioStartMessage = tracing.AioStartMessage<AioServicePool>;
/** On `biodone:aio:complete`: it is done, and its callback is called next. */
export type AioCompleteMessage = tracing.AioCompleteMessage<AioServicePool>;
/** On `biodone:aio:cancel`: somebody has asked for its end, or its deadline or signal has. */
export type AioCancelMessage = tracing.AioCancelMessage<AioServicePool>;
