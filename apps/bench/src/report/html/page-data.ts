/** What a page's script draws: it stands in the page as JSON. */
export interface LineChart {
  /** Of the element that it is drawn into. */
  readonly id: string;
  readonly x: 'latency' | 'nines' | 'seconds';
  readonly y: 'share' | 'latency' | 'iops';
  /** Rising; latencies are in nanoseconds, nines are -log10 of the share that is slower. */
  readonly xs: readonly number[];
  readonly series: readonly ChartSeries[];
}

export interface ChartSeries {
  readonly label: string;
  /** One for each x; null where there is nothing. */
  readonly ys: readonly (number | null)[];
}

/** The most series that a chart can have: there are so many colours that can be told apart. */
export const SERIES_MAX = 8;
