/** An option as it was written. */
export interface GivenOption {
  /** Under the name that the table has for it. */
  readonly name: string;
  /** Empty for an option that stands alone. */
  readonly value: string;
  /** Where: `job.fio:12`, or `--name`. */
  readonly place: string;
}

/** A job as it was written: what the global sections before it say, and what it says itself. Of two that are the same the later one counts. */
export interface JobSection {
  readonly name: string;
  readonly globals: readonly GivenOption[];
  readonly options: readonly GivenOption[];
  readonly place: string;
}
