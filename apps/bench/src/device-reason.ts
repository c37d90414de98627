import { SpecError } from '@biodone/blockdev';

/** Why a stack of devices cannot be had, in one line: the message about a wrong spec repeats that, and points into it in lines below each other. */
export function deviceReason(error: unknown): string {
  if (!(error instanceof SpecError)) return (error as Error).message.split('\n')[0] ?? '';
  const { expected, position, suggestion } = error;
  const where = position === null ? '' : `at character ${position + 1}, `;
  return `${where}expected ${expected}${suggestion === null ? '' : `, did you mean "${suggestion}"?`}`;
}
