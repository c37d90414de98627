import { execFile } from 'node:child_process';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program and waits for its end; any exit status is an answer, failing to start or hanging is not. */
function run(file: string, args: readonly string[], cwd: string, more: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...environment(), ...more }, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') {
        const detail = error.killed === true ? 'was killed after 120 s' : error.message;
        reject(new Error(`${file} ${args.join(' ')}: ${detail}\n${stdout}${stderr}`));
        return;
      }
      resolve({ status: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** As `run`, for the Node that runs the tests. */
export function runNode(args: readonly string[], cwd: string, more: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return run(process.execPath, args, cwd, more);
}

/** As `run`, for npm; it must succeed. */
export async function npm(args: readonly string[], cwd: string): Promise<string> {
  const npmScript = process.env['npm_execpath'];
  const outcome = npmScript === undefined ? await run('npm', args, cwd) : await runNode([npmScript, ...args], cwd);
  if (outcome.status !== 0) {
    throw new Error(`npm ${args.join(' ')} ended with ${outcome.status}\n${outcome.stdout}${outcome.stderr}`);
  }
  return outcome.stdout;
}

// What npm tells the scripts it runs would make an npm within them work on this workspace instead of `cwd`, and
// what vitest tells its workers would reach the examples.
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|vitest|node_env$|node_options$|init_cwd$)/i.test(name)),
  );
}
