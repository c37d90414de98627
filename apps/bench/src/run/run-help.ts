import { OPTION_TABLE } from '../jobs/option-table.js';

const WIDTH = 98;

/** What `biodone-bench run --help` prints. */
export const RUN_HELP: string = `Usage: biodone-bench run [options] [--name=JOB --rw=… --size=… …] [JOBFILE …]

Runs jobs as fio does, with fio's option names and job files. A job file can never execute anything.

  --parse-only            reads everything, and does nothing
  --showcmd               prints the jobs as a command line
  --readonly              refuses jobs that write
  --destructive PATH      this file or device is not this program's, and may be overwritten
  --section NAME          only this job; can be repeated
  --max-jobs N            more jobs than that are refused
  --output-format LIST    normal, json, json+, terse, markdown, csv, html; several with commas
  --terse-version 3       which terse: there is no other one
  --output FILE           the report goes there; the file must not exist
  --status-interval TIME  a report every so often while it runs
  --stall-timeout TIME    gives up where no I/O has completed for so long: 60s, 0 for never
  --eta WHEN              the progress line: auto, always, never
  -h, --help              print this

Engines (--ioengine): uring, threads, sync, posixaio, promises, fs, fs-sync, fs-promises, null.
A stack of devices: --device='stripe(64k, file:a, file:b)'.

Options of jobs, as --name=value, or name=value in a file; but for device they are fio's:
${filled(Object.keys(OPTION_TABLE))}

Exit status: 0; 1 where I/O failed, verified data were wrong or a report could not be written; 2
where the request was wrong (nothing is created then); 130 after Ctrl-C, which prints what was
measured so far; 137 (SIGKILL) behind a report, where the kernel does not give back an I/O.`;

/** Words in lines that a terminal has room for. */
function filled(words: readonly string[]): string {
  const lines: string[] = [];
  let line = ' ';
  for (const word of words) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
