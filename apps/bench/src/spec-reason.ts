import type { SpecError } from '@biodone/blockdev';

/** Why a spec of devices is none, in one line: the message of the error shows the place in lines below each other. */
export function specReason(error: Error): string {
  const { expected, position, suggestion } = error as Partial<SpecError>;
  if (expected === undefined) return error.message.split('\n')[0] ?? '';
  const where = typeof position === 'number' ? `at character ${position + 1}, ` : '';
  return `${where}expected ${expected}${suggestion ? `, did you mean "${suggestion}"?` : ''}`;
}
