import { escapeHtml } from './escape.js';

/** A bar with how far its repeats lay apart. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly min: number | null;
  readonly max: number | null;
  /** At the bar's end: the value, and what it is beside the reference. */
  readonly text: string;
}

/** Horizontal bars from zero, as plain HTML: they need no script, and can be printed and copied. */
export function barsHtml(bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value, max }) => Math.max(value, max ?? 0)), Number.MIN_VALUE);
  const share = (value: number): string => `${((100 * value) / most).toFixed(2)}%`;
  const rows = bars.map(({ label, value, min, max, text }) => {
    const hasSpread = min !== null && max !== null && max > min;
    const whisker = hasSpread ? `<i class="spread" style="left:${share(min)};width:${share(max - min)}"></i>` : '';
    return `<div class="bar-label">${escapeHtml(label)}</div><div class="bar-track"><i class="bar" style="width:${share(value)}"></i>${whisker}</div><div class="bar-text">${escapeHtml(text)}</div>`;
  });
  return `<div class="bars" role="img" aria-label="${escapeHtml(bars.map(({ label, text }) => `${label}: ${text}`).join('; '))}">${rows.join('\n')}</div>`;
}
