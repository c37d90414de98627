/** What a block may hold after a crash: the last stable tag, or any tag that was written since. */
export class Expected {
  readonly stable: Uint8Array;
  readonly since: Set<number>[];

  constructor(blocks: number) {
    this.stable = new Uint8Array(blocks);
    this.since = Array.from({ length: blocks }, () => new Set());
  }

  written(index: number, tag: number): void {
    this.since[index]?.add(tag);
  }

  /** Whatever was written to it before must not come back. */
  flushed(index: number, tag: number): void {
    this.stable[index] = tag;
    this.since[index]?.clear();
  }

  allows(index: number, tags: readonly number[]): boolean {
    return tags.every((tag) => tag === this.stable[index] || this.since[index]?.has(tag));
  }
}
