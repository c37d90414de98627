import { describe, expect, it } from 'vitest';
import { COMPARISON_FORMATS } from '../src/report/comparison-report.js';
import { escapeHtml, jsonForScript } from '../src/report/html/escape.js';
import { latencyChart, percentileChart, timeChart } from '../src/report/html/line-charts.js';
import { htmlOfRun } from '../src/report/html/run-page.js';
import { LatencyHistogram } from '../src/results/latency-histogram.js';
import { coloursOf, findChromium } from './support/chromium.js';
import { someComparison } from './support/some-comparison.js';
import { someJob, someRun } from './support/some-run.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const browser = findChromium();

/** Background and first two series, as the style says. */
const THEMES = {
  light: { background: '#fcfcfb', series: ['#2a78d6', '#eb6834'] },
  dark: { background: '#1a1a19', series: ['#3987e5', '#d95926'] },
} as const;

/** A line through a chart that is 800 pixels wide and 2 thick has more than these, and the button and the legend have less. */
const LINE_PIXELS_MIN = 600;

/** Expects the lines of two series and a bar: more of their colours than a page has whose script never ran. */
function expectMarks(html: string, scheme: keyof typeof THEMES, chromium: string): void {
  const size = { width: 1100, height: 2300 };
  const { background, series } = THEMES[scheme];
  const colours = coloursOf({ browser: chromium, folder, html, scheme, ...size });
  expect(colours.get(background) ?? 0, 'the background').toBeGreaterThan(100_000);
  const without = html.replace(/<script>[\s\S]*<\/script>/, '');
  const bare = coloursOf({ browser: chromium, folder, html: without, scheme, ...size });
  for (const colour of series) {
    const drawn = (colours.get(colour) ?? 0) - (bare.get(colour) ?? 0);
    expect(drawn, `${colour} in the charts`).toBeGreaterThan(LINE_PIXELS_MIN);
  }
  // Bars are no matter of the script: 18 pixels high, the longest over most of the width.
  expect(bare.get(series[0]) ?? 0, 'the bars').toBeGreaterThan(18 * 500);
}

describe('the HTML report in a browser', () => {
  it.for(['light', 'dark'] as const)('has its marks in a %s theme', { timeout: 120_000 }, (scheme, context) => {
    if (browser === null) return context.skip('no chromium is installed, which would take the picture');
    expectMarks(htmlOfRun(someRun()), scheme, browser);
    expectMarks(COMPARISON_FORMATS.html(someComparison()), scheme, browser);
  });
});

describe('the HTML report', () => {
  const html = htmlOfRun(someRun({ jobs: [someJob({ name: '<b>&"\'</script><script>alert(1)</script>' })] }));

  it('holds everything, and takes nothing from the network', () => {
    expect(html).toContain("default-src 'none'");
    expect(html.match(/<(link|img|iframe|script src)/g)).toBeNull();
    expect(html).toContain('Leon Sorokin');
  });

  it('shows names as they are, and runs none of them', () => {
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).toContain('&lt;b&gt;&amp;&quot;&#39;&lt;/script&gt;');
    expect(escapeHtml('<&>')).toBe('&lt;&amp;&gt;');
    expect(JSON.parse(jsonForScript({ text: '</script><!--' }))).toEqual({ text: '</script><!--' });
    expect(jsonForScript('</script')).not.toContain('<');
  });

  it('is whole without any I/O', () => {
    expect(htmlOfRun(someRun({ jobs: [] }))).toContain('<h2>Machine</h2>');
  });
});

describe('charts', () => {
  const histogram = new LatencyHistogram();
  for (let index = 0; index < 10_000; index++) histogram.record(100_000 + index * 10);
  const plotted = [
    { label: 'a', latencies: histogram.toData(), samples: [{ endMs: 500, lengthMs: 500, ios: 100, bytes: 1 }] },
    { label: 'b', latencies: new LatencyHistogram().toData(), samples: [{ endMs: 700, lengthMs: 700, ios: 70, bytes: 1 }] },
  ];

  it('spread all I/Os over the latencies that they took', () => {
    const { xs, series } = latencyChart(plotted);
    expect(Math.min(...xs)).toBeGreaterThan(80_000);
    expect(Math.max(...xs)).toBeLessThan(240_000);
    expect(series[1]?.ys.every((y) => y === null)).toBe(true);
    // Shares are per eighth of a power of two, so their integral over the logarithm is 100 %.
    const edges = xs.map((x, index) => Math.log2(x / (xs[index - 1] ?? x)));
    const area = edges.reduce((sum, width, index) => sum + width * 8 * (series[0]?.ys[index] ?? 0), 0);
    expect(area).toBeGreaterThan(90);
    expect(area).toBeLessThan(110);
  });

  it('end their percentiles where fewer than ten I/Os lie beyond', () => {
    const { xs, series } = percentileChart(plotted);
    expect(xs.at(-1)).toBe(3);
    expect(series[0]?.ys.at(-1)).toBeGreaterThan(195_000);
    expect(series[1]?.ys.every((y) => y === null)).toBe(true);
  });

  it('put series that were sampled at other times on one axis', () => {
    const { xs, series } = timeChart(plotted);
    expect(xs).toEqual([0.5, 0.7]);
    expect(series.map(({ ys }) => ys)).toEqual([
      [200, null],
      [null, 100],
    ]);
  });
});
