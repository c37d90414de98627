import type { LineChart } from '../src/report/html/page-data.js';

type Unit = LineChart['x'] | LineChart['y'];

/** A number of an axis. */
export function axisText(unit: Unit, value: number | null): string {
  if (value === null) return '';
  if (unit === 'latency') return duration(value);
  if (unit === 'nines') return percentile(value);
  if (unit === 'seconds') return `${value} s`;
  return unit === 'share' ? `${value} %` : count(value);
}

/** A number beside the name of its series. */
export function valueText(unit: Unit, value: number | null): string {
  if (value === null || value === undefined) return '–';
  if (unit === 'latency') return duration(value);
  if (unit === 'nines') return percentile(value);
  if (unit === 'seconds') return `${value.toFixed(2)} s`;
  return unit === 'share' ? `${value.toFixed(2)} %` : Math.round(value).toLocaleString('en-US');
}

function duration(nanoseconds: number): string {
  const units: [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
    [1, 'ns'],
  ];
  const [size, name] = units.find(([least]) => nanoseconds >= least) ?? [1, 'ns'];
  return `${Number((nanoseconds / size).toPrecision(3))} ${name}`;
}

/** 2 nines are 99 %. */
function percentile(nines: number): string {
  const beyond = 10 ** -nines * 100;
  return `${Number((100 - beyond).toFixed(Math.max(1, Math.ceil(nines - 2) + 1)))} %`;
}

function count(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  return value >= 1e3 ? `${Number((value / 1e3).toPrecision(3))} k` : String(value);
}
