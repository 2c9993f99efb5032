import type { StoreAddress } from 'ryo-faas/client'
import type { LinkState } from '../agent/platform-link.ts'

/** Where the store is and what it knows us by, while it runs. */
export function storeAddress(state: LinkState): StoreAddress | undefined {
  if (state.kind !== 'connected') return undefined
  const part = state.platform.parts.find(({ name }) => name === 'store')
  if (part?.state !== 'running' || part.address === undefined) return undefined
  return { url: `http://${part.address}`, token: state.token }
}
