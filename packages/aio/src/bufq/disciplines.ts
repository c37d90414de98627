import { ENOENT, SystemError } from '@biodone/uring';
import { Disksort } from './disksort.js';
import { Fcfs } from './fcfs.js';
import { Priocscan } from './priocscan.js';
import type { QueueDiscipline } from './queue-discipline.js';
import { Readprio } from './readprio.js';

/** The queue disciplines, by the names that they have in BSD. */
export type DisciplineName = 'fcfs' | 'disksort' | 'readprio' | 'priocscan';

const DISCIPLINES: Readonly<Record<DisciplineName, new () => QueueDiscipline>> = {
  fcfs: Fcfs,
  disksort: Disksort,
  readprio: Readprio,
  priocscan: Priocscan,
};

/** The names that a pool knows. */
export const disciplineNames: readonly DisciplineName[] = Object.keys(DISCIPLINES) as DisciplineName[];

/**
 * Makes an empty queue (bufq_alloc with BUFQ_EXACT).
 *
 * @throws SystemError ENOENT for a name that there is not
 */
export function makeDiscipline(name: DisciplineName): QueueDiscipline {
  if (!Object.hasOwn(DISCIPLINES, name)) {
    throw new SystemError(ENOENT, 'bufq_alloc', undefined, `no discipline '${name}'; there are ${disciplineNames.join(', ')}`);
  }
  return new DISCIPLINES[name]();
}
