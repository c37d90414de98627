/** A fenced piece of code in a Markdown text. */
export interface Fence {
  readonly line: number;
  readonly code: string;
  /** Why it is not to be run, or undefined where it is. */
  readonly skipReason?: string;
}

/**
 * Finds the fences of JavaScript in a Markdown text. A fence that cannot run everywhere is marked with the
 * reason: ` ```js no-run: needs a disk of its own `.
 */
export function fencesOf(markdown: string, languages: readonly string[] = ['js']): Fence[] {
  const fences: Fence[] = [];
  const pattern = /^([ \t]*)```([^\n]*)\n(.*?)^[ \t]*```[ \t]*$/gms;
  for (const match of markdown.matchAll(pattern)) {
    const [, indent = '', info = '', body = ''] = match;
    const [language = '', ...marks] = info.trim().split(/\s+/);
    if (!languages.includes(language)) {
      continue;
    }
    const line = markdown.slice(0, match.index).split('\n').length;
    const code = body.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const mark = marks.join(' ');
    if (mark.startsWith('no-run')) {
      fences.push({ line, code, skipReason: mark.replace(/^no-run:?\s*/, '') });
    } else {
      fences.push({ line, code });
    }
  }
  return fences;
}

/** Finds the fences in the `@example` blocks of a TypeScript source. */
export function exampleFencesOf(source: string): Fence[] {
  const fences: Fence[] = [];
  for (const comment of source.matchAll(/\/\*\*.*?\*\//gs)) {
    const firstLine = source.slice(0, comment.index).split('\n').length;
    const text = comment[0].replaceAll(/^[ \t]*\* ?/gm, '');
    for (const example of text.matchAll(/@example\b.*?(?=^@\w|(?![\s\S]))/gms)) {
      const before = text.slice(0, example.index).split('\n').length - 1;
      for (const fence of fencesOf(example[0], ['ts', 'js'])) {
        fences.push({ ...fence, line: firstLine + before + fence.line - 1 });
      }
    }
  }
  return fences;
}
