import type { LinkState } from '../agent/platform-link.ts'

/** Address of the store, while it runs. */
export function storeUrl(state: LinkState): string | undefined {
  if (state.kind !== 'connected') return undefined
  const part = state.platform.parts.find(({ name }) => name === 'store')
  return part?.state === 'running' && part.address !== undefined ? `http://${part.address}` : undefined
}
