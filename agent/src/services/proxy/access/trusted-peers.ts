/** Peers trusted to say where a request comes from: reverse proxies that the operator names, by address or network. */
import { BlockList, isIP } from 'node:net'

/** `192.0.2.7`, `10.0.0.0/8`, `fd00::/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
}

export class TrustedPeers {
  private readonly networks = new BlockList()
  private readonly isEmpty: boolean

  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0
    for (const network of networks) {
      const [address = '', prefix] = network.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      if (prefix === undefined) this.networks.addAddress(address, family)
      else this.networks.addSubnet(address, Number(prefix), family)
    }
  }

  has(address: string): boolean {
    if (this.isEmpty) return false
    const family = isIP(address)
    return family !== 0 && this.networks.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}
