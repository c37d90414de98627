import type { BlockDevice } from '@biodone/blockdev';

export const NOTHING: number;
export const EXIT: number;
export const THROW: number;
export const OUT_OF_MEMORY: number;
export const GATE: number;
export const EXIT_WITH_LOCK: number;
export const WORK: number;
export function removeGate(): void;
export function openGate(): { device: BlockDevice; words: Int32Array };
