/** What a device can address and how. */
export interface BlockLimits {
  /** Offsets and lengths are multiples of it. 1 for files through the page cache. */
  readonly blockSizeBytes: number;
  /**
   * How large the device is; `null` if it has no fixed end: reads are short at the end of the file, writes make it longer. It need not be a
   * multiple of `blockSizeBytes`: a read of the last block is then short, and a write of it is refused.
   */
  readonly sizeBytes: number | null;
  /** The address of the memory is a multiple of it. */
  readonly memoryAlignmentBytes: number;
}

/** What a device can do. */
export interface BlockCapabilities {
  readonly readOnly: boolean;
  /**
   * What moves a request on once it is started: nothing more (`'none'`: it is done when `strategy` returns), any thread that polls, waits
   * or returns to its event loop (`'any'`), or the event loop alone (`'event-loop'`: `biowait` is refused).
   */
  readonly progress: 'none' | 'any' | 'event-loop';
}
