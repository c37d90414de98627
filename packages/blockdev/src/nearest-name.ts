/** No name is so long, and the effort grows with the square of the length. */
const LENGTH_MAX = 64;

/**
 * The name that somebody may have meant who wrote `word`: the nearest one, if it is near. One mistake is allowed in a short word, and one
 * more for each further three letters.
 */
export function nearestName(word: string, names: Iterable<string>): string | null {
  if (word.length > LENGTH_MAX) return null;
  const small = word.toLowerCase();
  let nearest: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    // Who stops early, as with "size" for "sizeBytes", has made one mistake.
    const isBeginning = small.length > 2 && name.toLowerCase().startsWith(small);
    const mistakes = isBeginning ? 1 : editDistance(small, name.toLowerCase());
    if (mistakes < least) {
      least = mistakes;
      nearest = name;
    }
  }
  return nearest;
}

/** How many letters were left out, added, changed or swapped with the next one: optimal string alignment, after Damerau. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const changed = from[row - 1] === to[column - 1] ? 0 : 1;
      let least = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + changed);
      const isSwapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (isSwapped) least = Math.min(least, at(beforeLast, column - 2) + 1);
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
