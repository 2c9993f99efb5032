/** One table of routes for proxies on many machines, in a key-value bucket of NATS. */
export { Sealer } from './sealer.ts'
export { isLive, Members, Presence } from './member.ts'
export { TableFollower } from './table-follower.ts'
export { NotReachedError, TableWriter } from './table-writer.ts'
