/** Colours of a theme: surfaces, inks, and one for each series. Those of the series were chosen to be told apart by all kinds of eyes. */
const LIGHT = `--surface:#fcfcfb;--card:#ffffff;--ink:#0b0b0b;--muted:#5f5e59;--line:#e4e3df;--accent:#2a78d6;--spread:#0b0b0b;
--s1:#2a78d6;--s2:#eb6834;--s3:#1baf7a;--s4:#eda100;--s5:#4a3aa7;--s6:#e87ba4;--s7:#008300;--s8:#e34948;color-scheme:light;`;
const DARK = `--surface:#1a1a19;--card:#222221;--ink:#f4f3ef;--muted:#aeada6;--line:#383835;--accent:#3987e5;--spread:#f4f3ef;
--s1:#3987e5;--s2:#d95926;--s3:#199e70;--s4:#c98500;--s5:#9085e9;--s6:#d55181;--s7:#3f9c3a;--s8:#e66767;color-scheme:dark;`;

/** How the page looks, by the reader's theme or the one that the button has chosen. */
export const STYLE: string = `
:root{${LIGHT}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${DARK}}}
:root[data-theme=dark]{${DARK}}
*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:24px 20px 48px}
header{display:flex;align-items:baseline;justify-content:space-between;gap:16px}
h1{font-size:24px;line-height:1.25;margin:0}
h2{font-size:16px;margin:0 0 2px}
.summary{margin:6px 0 20px;color:var(--muted)}
.hint{margin:0 0 10px;color:var(--muted);font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px 18px;margin:0 0 16px}
button{font:inherit;font-size:13px;color:var(--muted);background:none;border:1px solid var(--line);border-radius:6px;padding:2px 10px;cursor:pointer}
.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:8px 12px;align-items:center;font-size:14px}
.bar-track{position:relative;height:18px}
.bar{position:absolute;left:0;top:0;height:18px;min-width:2px;background:var(--accent);border-radius:0 4px 4px 0}
.spread{position:absolute;top:8px;height:2px;background:var(--spread);box-shadow:0 0 0 1px var(--card)}
.spread::before,.spread::after{content:"";position:absolute;top:-4px;width:2px;height:10px;background:var(--spread);box-shadow:0 0 0 1px var(--card)}
.spread::before{left:0}.spread::after{right:0}
.bar-text{font-variant-numeric:tabular-nums;color:var(--ink)}
.table{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;width:100%}
th,td{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
th{color:var(--muted);font-weight:500}
.number{text-align:right;font-variant-numeric:tabular-nums;padding-right:0;padding-left:14px}
.number+:not(.number){padding-left:14px}
.table+.hint{margin:10px 0 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0;font-size:14px}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
.chart{min-height:300px}
.u-legend th,.u-legend td{border:0;padding:2px 6px 2px 0}
.uplot .u-legend{font-size:13px;text-align:left;margin-top:6px;color:var(--ink)}
.u-legend .u-value{font-variant-numeric:tabular-nums;color:var(--muted)}
@media print{button{display:none}section{break-inside:avoid}}
`;
