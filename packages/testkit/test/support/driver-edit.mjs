// Module hooks that change the built text of the drivers before it is run.
let edit = { from: '', to: '' };

export function initialize(data) {
  edit = data;
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!url.endsWith('/blockdev/dist/index.js')) return loaded;
  return { ...loaded, source: String(loaded.source).split(edit.from).join(edit.to) };
}
