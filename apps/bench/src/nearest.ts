/** The known name that was probably meant, or null where none is near enough to be worth a guess. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name === '') return null;
  const beginning = known.find((candidate) => candidate.startsWith(name));
  if (beginning !== undefined) return beginning;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(name.length / 2));
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance <= bestDistance && (best === null || distance < bestDistance)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** How many insertions, deletions and replacements make one text of the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] as number) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const deleted = (previous[column] as number) + 1;
      const inserted = (current[column - 1] as number) + 1;
      current.push(Math.min(replaced, deleted, inserted));
    }
    previous = current;
  }
  return previous[to.length] as number;
}
