/** What ends a job before its time. Plain data. */
export interface JobFailure {
  /** The positive errno. */
  readonly error: number;
  /** What happened: one line, and a dump behind it where data were wrong. */
  readonly text: string;
}
