/** Random numbers that can be had again: the seed is printed, and BIODONE_SEED sets it. */
export function seededRandom(what: string): (below: number) => number {
  const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`${what}: BIODONE_SEED=${seed}`);
  return randomFrom(seed);
}

/** The same from a seed that is known. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    // The generator mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) % below;
  };
}
