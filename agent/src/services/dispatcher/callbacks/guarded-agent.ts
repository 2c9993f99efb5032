/**
 * HTTP connections that only go where results may go. Invariant: the address that was checked is the address connected
 * to, because both come out of the same look-up; a name can not stand for another one a moment later. Addresses that
 * are written out in a URL never come here: `callbackUrlProblem` has seen them.
 */
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import { isRefusedAddress } from '../../../bus/index.ts'

export class RefusedAddressError extends Error {
  readonly code = 'REFUSED_ADDRESS'
}

/** The rest of Node's `dns.lookup`, for tests to stand in for. */
export type Resolve = typeof lookup

export function guardedAgent(options: { connectTimeoutMs: number; resolve?: Resolve }): Agent {
  return new Agent({
    connect: { lookup: guardedLookup(options.resolve ?? lookup), timeout: options.connectTimeoutMs },
    pipelining: 1,
    // Receivers are many and seldom asked twice.
    keepAliveTimeout: 2_000,
  })
}

function guardedLookup(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const refused = addresses.find(({ address }) => isRefusedAddress(address))
      const first = addresses[0]
      // One bad address is enough: which one would be tried first is not ours to say.
      if (refused !== undefined || first === undefined) {
        const what = refused?.address ?? 'no address'
        return callback(new RefusedAddressError(`${hostname} stands for ${what}`), '')
      }
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
