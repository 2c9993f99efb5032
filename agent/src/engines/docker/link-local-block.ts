/**
 * Keeps the containers of one bridge from link-local addresses: there, clouds give anyone who asks the credentials of
 * the machine. The rule precedes all address translation, so that it also holds for servers at these addresses on this
 * machine itself. Name servers stay reachable: some clouds have theirs at such an address.
 *
 * Invariants: 1. It matches only what comes from that bridge. 2. It is removed before its bridge is.
 */
import { drop, dropNoLonger, type Dropped } from './firewall-rules.ts'

/** RFC 3927. IPv6 needs no rule: the network has none. */
export const LINK_LOCAL = '169.254.0.0/16'
const PROTOCOLS = ['tcp', 'udp'] as const

export interface Blocked {
  /** Name of the network interface. */
  bridge: string
  /** Default: link-local addresses. */
  addresses?: string
  /** Only what comes from this one; default: from any. */
  mac?: string
}

/** @returns why it could not be set; undefined if it is set */
export function block(blocked: Blocked): Promise<string | undefined> {
  return drop(rulesOf(blocked))
}

export function unblock(blocked: Blocked): Promise<void> {
  return dropNoLonger(rulesOf(blocked))
}

function rulesOf({ bridge, addresses = LINK_LOCAL, mac }: Blocked): Dropped[] {
  const from = mac === undefined ? [] : ['-m', 'mac', '--mac-source', mac]
  return PROTOCOLS.map(protocol => ({
    chain: 'raw PREROUTING',
    packets: ['-i', bridge, ...from, '-d', addresses, '-p', protocol, '!', '--dport', '53'],
  }))
}
