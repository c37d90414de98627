/**
 * Why a stack of devices cannot be had, in one line. The message about a wrong spec repeats that, and points into it with a caret in its last line;
 * of any other the first line says what happened.
 */
export function deviceReason(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  const lines = message.split('\n');
  if (code !== 'ERR_INVALID_DEVICE_SPEC') return lines[0] ?? message;
  return (lines.at(-1) ?? message).replace(/^\s*\^\s*/, '');
}
