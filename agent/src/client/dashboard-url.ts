import { createHash } from 'node:crypto'

/**
 * The key that the dashboard asks with. It follows from the token and does not tell it: an address that is left behind
 * in a browser's history lets look, and neither deploy nor stop.
 */
export function dashboardKey(token: string): string {
  return createHash('sha256').update(`ryo-faas dashboard ${token}`).digest('hex')
}

/**
 * Where a browser finds the dashboard. The key stands behind the `#`, which browsers send to nobody.
 * @param to a place in it: `/`, `/traces?function=…`, `/trace/<id>`
 */
export function dashboardUrl(agent: { url: string; token: string }, to = '/'): string {
  const hash = new URLSearchParams({ key: dashboardKey(agent.token), to })
  return `${agent.url}/dashboard#${hash.toString()}`
}
