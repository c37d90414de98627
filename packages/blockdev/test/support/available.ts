import { probe } from '@biodone/uring';
import { describe } from 'vitest';

const { available, reason } = probe();
if (!available) console.warn(`tests of the engine 'uring' are skipped: ${reason}`);

/** `describe`, for what needs io_uring. Where that is not to be had, it is skipped and the reason printed. */
export const describeRing: typeof describe.skip = describe.skipIf(!available);

/** The engines that files can have here. */
export const engines: readonly ('uring' | 'fs' | 'sync')[] = available ? ['uring', 'fs', 'sync'] : ['fs', 'sync'];
