/** A cell for people, and as it is for programs. */
export interface Cell {
  readonly text: string;
  readonly value: string | number | null;
}

/** A table that can be written in several forms. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface Column {
  readonly title: string;
  /** Its name in CSV: with the unit, in snake case. */
  readonly name: string;
  /** Numbers stand to the right. */
  readonly isNumber: boolean;
}

/** A cell that is the same for both. */
export function textCell(text: string): Cell {
  return { text, value: text };
}

/** With aligned columns, for terminals. */
export function plainTable({ columns, rows }: Table): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((cells) => cells.map(({ text }) => text))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((text, index) => (columns[index]?.isNumber ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** As GitHub's Markdown. */
export function markdownTable({ columns, rows }: Table): string {
  const line = (texts: readonly string[]): string => `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(columns.map(({ title }) => title)),
    `|${columns.map(({ isNumber }) => (isNumber ? '---:' : '---')).join('|')}|`,
    ...rows.map((cells) => line(cells.map(({ text }) => text))),
  ].join('\n');
}

/** As RFC 4180 says, with a line of names first; what is unknown is empty. */
export function csvTable({ columns, rows }: Table): string {
  const lines = [columns.map(({ name }) => name), ...rows.map((cells) => cells.map(({ value }) => String(value ?? '')))];
  return lines.map((line) => line.map(csvField).join(',')).join('\r\n');
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
