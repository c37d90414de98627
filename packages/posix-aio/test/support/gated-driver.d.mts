import type { BlockDevice } from '@biodone/blockdev';

/** A device whose requests block the service thread that does them until somebody opens its gate. */
export function openGated(): { device: BlockDevice; awaitComing(): void; openGate(): void };
