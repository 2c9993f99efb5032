/**
 * The key for reading: taken from the address, then kept in memory and in the session's storage, so that it survives a
 * reload. In a frame on another site's page a browser may refuse the storage; there a reload needs the address again.
 */
const NAME = 'ryo-faas-dashboard-key'

let known = ''

export function rememberKey(key: string): void {
  known = key
  withStorage(storage => storage.setItem(NAME, key))
}

/** Empty if there is none. */
export function currentKey(): string {
  if (known === '') known = withStorage(storage => storage.getItem(NAME)) ?? ''
  return known
}

function withStorage<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(sessionStorage)
  } catch {
    return undefined // SecurityError
  }
}
