// The file that a benchmark's --json names: checked before anything is measured, written in one piece at the end.
import { accessSync, constants, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Where a report goes. npm runs scripts in the workspace's folder, and the user named the file from where the command was typed.
 *
 * @param {string} path
 * @returns {string} the absolute path
 * @throws {Error} if a report cannot be written there, or something would be lost that is no earlier report
 */
export function checkReportFile(path) {
  const file = resolve(process.env.INIT_CWD ?? process.cwd(), path);
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new Error(`cannot write '${file}' (${error.code}): name a file in a folder that exists and is yours after --json`);
  }
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isFile()) throw new Error(`'${file}' is no regular file: name another after --json`);
  if (stat !== undefined && stat.size > 0 && !isReport(file)) {
    throw new Error(`'${file}' exists and is no report of a benchmark: name another file after --json`);
  }
  return file;
}

/** Writes a report, so that nobody ever sees half of one. */
export function writeReport(file, report) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(temporary, file);
}

function isReport(file) {
  try {
    const { figures, environment } = JSON.parse(readFileSync(file, 'utf8'));
    return typeof figures === 'object' && typeof environment === 'object';
  } catch {
    return false;
  }
}
