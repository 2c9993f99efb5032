/**
 * Look-ups of host names for connections that only go where a rule allows. Invariant: the address that was checked is the
 * address that is connected to, because both come from the same look-up; a name cannot change between the two. Addresses
 * that are written out in a URL never get here: they are checked with the URL.
 */
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { CallbackRule } from './callback-url.ts'

export class RefusedAddressError extends Error {
  readonly code = 'REFUSED_ADDRESS'
}

/** The rest of Node's `dns.lookup`, for tests to replace. */
export type Resolve = typeof lookup

export function guardedLookup(rule: CallbackRule, resolve: Resolve = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const [first] = addresses
      if (first === undefined) return callback(new Error(`${hostname} has no address`), '')
      // One bad address is enough: we do not control which one is tried first.
      const problem = addresses.map(({ address }) => rule.addressProblem(hostname, address)).find(Boolean)
      if (problem !== undefined) return callback(new RefusedAddressError(`${hostname} ${problem}`), '')
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
