import { parseArgs } from 'node:util';
import { nearest } from '../nearest.js';
import { UsageError } from '../usage-error.js';

/** Options by their names, as parseArgs of node:util takes them. */
export type ToolOptions = Readonly<
  Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string; readonly multiple?: boolean }>
>;

/** What was given; options that may be repeated as lists. */
export interface ToolArguments<Options extends ToolOptions> {
  readonly values: {
    readonly [name in keyof Options]?: Options[name]['type'] extends 'boolean' ? boolean : string;
  };
  readonly positionals: readonly string[];
}

/**
 * Reads the arguments of a command.
 *
 * @throws UsageError for an option that does not exist, with the nearest one that does, or for a value that is missing
 */
export function parseToolArguments<Options extends ToolOptions>(
  args: readonly string[],
  options: Options,
  command: string,
): ToolArguments<Options> {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const known = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (known === undefined) {
      const meant = nearest(token.name, Object.keys(options));
      const advice = meant === null ? `see ${command} --help for those that exist` : `did you mean --${meant}?`;
      throw new UsageError(`unknown option ${token.rawName}: ${advice}`);
    }
    const looksLikeOption = token.inlineValue !== true && token.value?.startsWith('-') === true;
    if (known.type === 'string' && (token.value === undefined || token.value === '' || looksLikeOption)) {
      throw new UsageError(`--${token.name} needs a value after it: see ${command} --help`);
    }
    if (known.type === 'boolean' && token.value !== undefined) throw new UsageError(`--${token.name} takes no value`);
  }
  const { values, positionals } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true });
  return { values: values as ToolArguments<Options>['values'], positionals };
}
