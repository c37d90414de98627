// Module hooks that change the built text of the drivers before it is run.
let edits = [];

export function initialize(data) {
  edits = data;
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!url.endsWith('/blockdev/dist/index.js')) return loaded;
  return { ...loaded, source: edits.reduce((text, { from, to }) => text.split(from).join(to), String(loaded.source)) };
}
