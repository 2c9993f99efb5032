import type { Door } from 'ryo-faas/client'
import type { LinkState } from '../agent/platform-link.ts'

/** Where the store is asked, while it runs. */
export function storeDoor(state: LinkState): Door | undefined {
  if (state.kind !== 'connected') return undefined
  const part = state.platform.parts.find(({ name }) => name === 'store')
  const isThere = part?.state === 'running' && part.address !== undefined
  return isThere ? { url: `http://${part.address}`, token: state.token } : undefined
}
