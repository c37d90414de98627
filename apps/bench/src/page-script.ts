import { readFileSync } from 'node:fs';

/** The script of the HTML reports, with its library, as the build has made it. The path is the same from the sources and from what is built. */
export function pageScript(): string {
  // A script element ends at the first </script, wherever it stands.
  return readFileSync(new URL('../dist/page.global.js', import.meta.url), 'utf8').replaceAll('</script', '<\\/script');
}
