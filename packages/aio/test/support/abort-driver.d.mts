import type { BlockDevice } from '@biodone/blockdev';

export function openAbortable(): { device: BlockDevice; words: Int32Array };
