/**
 * A package above the user's folder (hoisted, or installed into our cache) shows in a bundle as
 * `../../somewhere/node_modules/x`. The function cannot see where it is, so bundles name it `node_modules/x`:
 * the same code is the same bundle in every folder and on every machine.
 */
const OUTSIDE = String.raw`\.\.?/(?:[^"\n]*?/)?(?=node_modules/)`

/** In the text of a bundle: comments that name a file, and the keys of wrapped CommonJS modules. */
export function plainPaths(code: string): string {
  return code
    .replace(new RegExp(String.raw`^(\s*// )${OUTSIDE}`, 'gm'), '$1')
    .replace(new RegExp(String.raw`(\(\{\s*")${OUTSIDE}`, 'g'), '$1')
}

/** In the `sources` of a source map. */
export function plainSources(map: string): string {
  const parsed = JSON.parse(map) as { sources: string[] }
  parsed.sources = parsed.sources.map(source => source.replace(new RegExp(`^${OUTSIDE}`), ''))
  return JSON.stringify(parsed)
}

/** The path of a file as its code sees it, relative to the app: next to its package, or in `node_modules`. */
export function placeInApp(relativePath: string): string {
  const posix = relativePath.replaceAll('\\', '/')
  if (!posix.startsWith('../')) return posix
  const at = posix.indexOf('node_modules/')
  return at >= 0 ? posix.slice(at) : posix.replace(/^(\.\.\/)+/, '')
}
