// The script of the HTML reports: draws the line charts that the page holds as JSON, in the reader's theme.
import uPlot from 'uplot';
import style from 'uplot/dist/uPlot.min.css';
import type { LineChart } from '../src/report/html/page-data.js';
import { axisText, valueText } from './texts.js';

const HEIGHT = 320;

function main(): void {
  const sheet = document.createElement('style');
  sheet.textContent = style;
  document.head.prepend(sheet);
  const charts = JSON.parse(document.getElementById('charts')?.textContent ?? '[]') as LineChart[];
  let drawn: uPlot[] = [];
  const draw = (): void => {
    for (const plot of drawn) plot.destroy();
    drawn = charts.map(drawChart);
  };
  draw();
  watchTheme(draw);
  addEventListener('resize', () => {
    for (const plot of drawn) plot.setSize({ width: widthOf(plot.root.parentElement), height: HEIGHT });
  });
}

/** A scale that goes from the least to the largest value, not to the next powers of ten. */
const logarithmic: uPlot.Scale = { time: false, distr: 3, range: (_plot, min, max) => [min * 0.9, max * 1.1] };
/** Only 1, 2 and 5 and their powers of ten have a grid line and a label: there is room for them, however far the scale goes. */
const logarithmicAxis: uPlot.Axis = {
  splits: (_plot, _axis, min, max) => ticksOf(min, max),
  filter: (_plot, splits) => splits,
};

function drawChart(chart: LineChart): uPlot {
  const element = document.getElementById(chart.id) as HTMLElement;
  const [ink, line, card] = ['--muted', '--line', '--card'].map(colour) as [string, string, string];
  const isFilled = chart.y === 'share' && chart.series.length === 1;
  const axis = {
    stroke: ink,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
    font: '12px system-ui, sans-serif',
  };
  const options: uPlot.Options = {
    width: widthOf(element),
    height: HEIGHT,
    cursor: { points: { size: 8, fill: card }, drag: { x: true, y: false } },
    scales: {
      x: chart.x === 'latency' ? logarithmic : { time: false, range: (_plot, _min, max) => [0, max] },
      y: chart.y === 'latency' ? logarithmic : { range: (_plot, _min, max) => [0, max > 0 ? max * 1.08 : 1] },
    },
    axes: [
      {
        ...axis,
        ...(chart.x === 'latency' ? logarithmicAxis : {}),
        space: 60,
        values: (_plot, ticks) => ticks.map((tick) => axisText(chart.x, tick)),
      },
      {
        ...axis,
        ...(chart.y === 'latency' ? logarithmicAxis : {}),
        size: 74,
        values: (_plot, ticks) => ticks.map((tick) => axisText(chart.y, tick)),
      },
    ],
    series: [
      {
        label: chart.x === 'nines' ? 'percentile' : chart.x === 'latency' ? 'latency' : 'time',
        value: (_plot, x) => valueText(chart.x, x),
      },
      ...chart.series.map(({ label }, index) => {
        const stroke = colour(`--s${index + 1}`);
        return {
          label,
          stroke,
          width: 2,
          points: { show: chart.xs.length < 3 },
          value: (_plot: uPlot, y: number | null) => valueText(chart.y, y),
          ...(isFilled ? { fill: `${stroke}22` } : {}),
        };
      }),
    ],
  };
  return new uPlot(options, [[...chart.xs], ...chart.series.map(({ ys }) => [...ys])], element);
}

function ticksOf(min: number, max: number): number[] {
  const ticks: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(min)); power <= max; power *= 10) {
    ticks.push(...[power, 2 * power, 5 * power].filter((tick) => tick >= min && tick <= max));
  }
  // Over many powers of ten only these have room.
  return ticks.length <= 12 ? ticks : ticks.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e9) / 1e9));
}

/** The reader's theme changes with the system, or by the button. */
function watchTheme(draw: () => void): void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const button = document.getElementById('theme') as HTMLButtonElement;
  const isDark = (): boolean => (document.documentElement.dataset['theme'] ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const name = (): void => {
    button.textContent = isDark() ? 'Light' : 'Dark';
  };
  button.hidden = false;
  name();
  button.addEventListener('click', () => {
    document.documentElement.dataset['theme'] = isDark() ? 'light' : 'dark';
    name();
    draw();
  });
  system.addEventListener('change', () => {
    name();
    draw();
  });
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function widthOf(element: HTMLElement | null): number {
  return Math.max(320, element?.clientWidth ?? 0);
}

main();
