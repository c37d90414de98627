/** A request that cannot be granted, with the way out in its message: one line, and exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A path as it stands in a message. One with control characters is escaped, or the message would not be one line. */
export function quote(path: string): string {
  return /\p{Cc}/u.test(path) ? JSON.stringify(path) : `'${path}'`;
}
