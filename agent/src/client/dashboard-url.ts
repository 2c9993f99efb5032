import { createHash } from 'node:crypto'
import { hashOf, tokenIdIn } from '../contract/index.ts'

/**
 * The key that the dashboard uses. It is derived from the token and does not reveal it: an address left in a browser's
 * history allows reading, but neither deploying nor stopping.
 * @param secret the operator's token, or the hash of one that was given to somebody: all that the agent has of it
 */
export function dashboardKey(secret: string): string {
  return createHash('sha256').update(`ryo-faas dashboard ${secret}`).digest('hex')
}

/**
 * Address of the dashboard. The key comes after the `#`, which browsers never send.
 * @param to a place in it: `/`, `/traces?function=…`, `/trace/<id>`
 */
export function dashboardUrl(agent: { url: string; token: string }, to = '/'): string {
  const { token } = agent
  const secret = tokenIdIn(token) === undefined ? token : hashOf(token)
  const hash = new URLSearchParams({ key: dashboardKey(secret), to })
  return `${agent.url}/dashboard#${hash.toString()}`
}
