import { pageScript } from '../../page-script.js';
import type { Table } from '../text-table.js';
import { type Bar, barsHtml } from './bars.js';
import { escapeHtml, jsonForScript } from './escape.js';
import type { LineChart } from './page-data.js';
import { STYLE } from './style.js';

export interface PageOptions {
  readonly title: string;
  /** What was measured, in a sentence. */
  readonly summary: string;
  readonly bars: readonly { readonly title: string; readonly hint: string; readonly bars: readonly Bar[] }[];
  readonly charts: readonly { readonly title: string; readonly hint: string; readonly chart: LineChart }[];
  readonly table: Table;
  readonly notes: readonly string[];
  readonly machine: readonly (readonly [name: string, text: string])[];
}

/** One file that holds everything: no part of it comes from the network, and its policy forbids that it ever does. */
export function page({ title, summary, bars, charts, table, notes, machine }: PageOptions): string {
  const drawn = charts.filter(({ chart }) => chart.xs.length > 1);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>${escapeHtml(title)}</h1><button type="button" id="theme" hidden>dark</button></header>
<p class="summary">${escapeHtml(summary)}</p>
${bars.map((part) => section(part.title, part.hint, barsHtml(part.bars))).join('\n')}
${section('Figures', '', tableHtml(table) + notes.map((note) => `<p class="hint">${escapeHtml(note)}</p>`).join(''))}
${drawn.map((part) => section(part.title, part.hint, `<div class="chart" id="${part.chart.id}"></div>`)).join('\n')}
${section('Machine', '', `<dl>${machine.map(([name, text]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(text)}</dd>`).join('\n')}</dl>`)}
</main>
<script type="application/json" id="charts">${jsonForScript(drawn.map(({ chart }) => chart))}</script>
<script>${pageScript()}</script>
</body>
</html>
`;
}

function section(title: string, hint: string, content: string): string {
  const words = hint === '' ? '' : `<p class="hint">${escapeHtml(hint)}</p>`;
  return `<section><h2>${escapeHtml(title)}</h2>${words}${content}</section>`;
}

function tableHtml({ columns, rows }: Table): string {
  const kind = (index: number): string => (columns[index]?.isNumber ? ' class="number"' : '');
  const head = columns.map(({ title }, index) => `<th${kind(index)}>${escapeHtml(title)}</th>`).join('');
  const body = rows.map(
    (cells) => `<tr>${cells.map(({ text }, index) => `<td${kind(index)}>${escapeHtml(text)}</td>`).join('')}</tr>`,
  );
  return `<div class="table"><table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`;
}
