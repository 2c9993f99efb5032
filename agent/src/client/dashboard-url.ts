import { createHash } from 'node:crypto'

/**
 * The key that the dashboard uses. It is derived from the token and does not reveal it: an address left in a browser's
 * history allows reading, but neither deploying nor stopping.
 */
export function dashboardKey(token: string): string {
  return createHash('sha256').update(`ryo-faas dashboard ${token}`).digest('hex')
}

/**
 * Address of the dashboard. The key comes after the `#`, which browsers never send.
 * @param to a place in it: `/`, `/traces?function=…`, `/trace/<id>`
 */
export function dashboardUrl(agent: { url: string; token: string }, to = '/'): string {
  const hash = new URLSearchParams({ key: dashboardKey(agent.token), to })
  return `${agent.url}/dashboard#${hash.toString()}`
}
