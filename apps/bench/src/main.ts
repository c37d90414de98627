#!/usr/bin/env node
import { runBenchmark } from './benchmark.js';
import { parseCommandLine } from './cli.js';
import { compareCommand } from './compare/compare-command.js';
import { gateCommand } from './compare/gate-command.js';
import { HELP } from './help.js';
import { programVersion } from './program.js';
import { runCommand } from './run/run-command.js';
import { UsageError } from './usage-error.js';

/** What the first word may be; without one it is the main job. */
const SUBCOMMANDS: Readonly<Record<string, (args: readonly string[]) => number | Promise<number>>> = {
  run: runCommand,
  compare: compareCommand,
  gate: gateCommand,
};

// Whoever reads the output, `head` for example, may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  console.error(
    `biodone-bench: standard output cannot be written (${error.code ?? error.message}): what was printed is not complete`,
  );
  process.exit(1);
});

// Without anybody who hears it Node would open the port of its debugger. `run` reports; there is nothing to report otherwise.
process.on('SIGUSR1', () => {});

const status = await main(process.argv.slice(2));
// After a failure something may still be in flight, and must not keep the program from ending.
if (status === 0) process.exitCode = 0;
else process.exit(status);

/** Runs the program and returns its exit status: 0, 1 where something failed, 2 where the request was wrong. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const [name = '', ...rest] = args;
    const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
    if (subcommand !== undefined) return await subcommand(rest);
    const command = parseCommandLine(args);
    if (command.kind === 'help') console.log(HELP);
    else if (command.kind === 'version') console.log(programVersion());
    else return await runBenchmark(command.options);
    return 0;
  } catch (error) {
    console.error(`biodone-bench: ${oneLine(error)}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** Messages of Node and of the kernel may have several lines; the first says what happened. */
function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0] ?? message;
}
