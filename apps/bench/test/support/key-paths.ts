/** All paths of keys in a JSON value, those of lists with `[]`, those of histograms' bins with `*`. */
export function keyPaths(value: unknown, path = ''): Set<string> {
  const paths = new Set<string>();
  if (Array.isArray(value)) {
    for (const item of value) for (const below of keyPaths(item, `${path}[]`)) paths.add(below);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const own = `${path}${path === '' ? '' : '.'}${path.endsWith('.bins') ? '*' : key}`;
      paths.add(own);
      for (const below of keyPaths(item, own)) paths.add(below);
    }
  }
  return paths;
}
