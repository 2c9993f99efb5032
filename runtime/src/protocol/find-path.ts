/**
 * The entry of the longest path that `url` is at or below, by whole segments: `/pay` has `/pay` and `/pay/7?full=1` but
 * not `/payments`. The keys are paths without a trailing slash, except `/` itself.
 */
export function findPath<T>(entries: ReadonlyMap<string, T>, url: string): T | undefined {
  const queryAt = url.indexOf('?')
  let path = queryAt < 0 ? url : url.slice(0, queryAt)
  for (;;) {
    const found = entries.get(path)
    if (found !== undefined || path === '/' || path === '') return found
    path = path.slice(0, path.lastIndexOf('/')) || '/'
  }
}
