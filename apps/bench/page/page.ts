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
/** Its grid lines are its labels. */
const logarithmicAxis: uPlot.Axis = {
  splits: (_plot, _axis, min, max) => ticksOf(min, max),
  filter: (_plot, splits) => splits,
};

/** 0, 50, 90, 99 % and so on. */
const ninesAxis: uPlot.Axis = {
  splits: (_plot, _axis, _min, max) => [0, Math.log10(2), 1, 2, 3, 4, 5, 6, 7, 8].filter((tick) => tick <= max),
};

function axisOf(unit: LineChart['x'] | LineChart['y']): uPlot.Axis {
  if (unit === 'latency') return logarithmicAxis;
  return unit === 'nines' ? ninesAxis : {};
}

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
        ...axisOf(chart.x),
        space: 60,
        values: (_plot, ticks) => ticks.map((tick) => axisText(chart.x, tick)),
      },
      {
        ...axis,
        ...axisOf(chart.y),
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
          // Jobs are sampled each at its own times: between them the others have nothing.
          spanGaps: chart.x === 'seconds',
          value: (_plot: uPlot, y: number | null) => valueText(chart.y, y),
          ...(isFilled ? { fill: `${stroke}22` } : {}),
        };
      }),
    ],
  };
  return new uPlot(options, [[...chart.xs], ...chart.series.map(({ ys }) => [...ys])], element);
}

/** As many as there is room for, and three at least where the scale goes over less than a power of ten. */
function ticksOf(min: number, max: number): number[] {
  const ticks = (steps: readonly number[]): number[] => {
    const found: number[] = [];
    for (let power = 10 ** Math.floor(Math.log10(min)); power <= max; power *= 10) {
      found.push(...steps.map((step) => step * power).filter((tick) => tick >= min && tick <= max));
    }
    return found;
  };
  const choices = [[1], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]].map(ticks);
  return choices.find(({ length }) => length >= 4) ?? choices.at(-1) ?? [];
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
