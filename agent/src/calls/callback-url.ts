/**
 * Where results may be sent. Invariants:
 *
 * 1. Link-local, metadata, unspecified, multicast and reserved addresses are refused even if the allow-list names them.
 * 2. Hosts that are not named must be public: no loopback, private or shared network, none of this
 *    machine's own addresses. A pattern names a host if it holds more than wildcards: `*` means every public host.
 * 3. IPv4 within IPv6 (mapped, NAT64) is judged as the IPv4 address; what else embeds one (6to4, Teredo,
 *    IPv4-compatible) is not public.
 *
 * The URL is checked twice: before it connects, the dispatcher checks the address behind the name.
 */
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

type Subnet = readonly [address: string, bits: number]

const LONGEST_URL = 2_048

const NEVER_V4: readonly Subnet[] = [
  ['0.0.0.0', 8], // "this network" (RFC 1122)
  ['169.254.0.0', 16], // link-local (RFC 3927) and most clouds' metadata
  ['100.100.100.200', 32], // metadata of Alibaba Cloud
  ['168.63.129.16', 32], // platform of Azure
  ['192.0.0.192', 32], // metadata of Oracle Cloud
  ['224.0.0.0', 4], // multicast (RFC 5771)
  ['240.0.0.0', 4], // reserved and broadcast (RFC 1112)
]
const NEVER_V6: readonly Subnet[] = [
  ['::', 128], // unspecified
  ['fe80::', 10], // link-local (RFC 4291)
  ['ff00::', 8], // multicast
  ['fd00:ec2::254', 128], // metadata of AWS
  ['fd20:ce::254', 128], // metadata of Google Cloud
]
const LOCAL_V4: readonly Subnet[] = [
  ['10.0.0.0', 8], // private (RFC 1918)
  ['100.64.0.0', 10], // shared by customers of a carrier (RFC 6598)
  ['127.0.0.0', 8], // loopback
  ['172.16.0.0', 12],
  ['192.0.0.0', 24], // protocol assignments (RFC 6890)
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarks (RFC 2544)
]
const LOCAL_V6: readonly Subnet[] = [
  ['::', 96], // loopback, and IPv4-compatible (RFC 4291)
  ['::ffff:0:0:0', 96], // IPv4-translated (RFC 2765)
  ['64:ff9b:1::', 48], // a network's own NAT64 (RFC 8215)
  ['100::', 64], // discard (RFC 6666)
  ['2001::', 32], // Teredo
  ['2002::', 16], // 6to4
  ['fc00::', 7], // unique local (RFC 4193)
  ['fec0::', 10], // site-local
]
/** `64:ff9b::a.b.c.d` (RFC 6052): IPv4 hosts as an IPv6 network sees them. */
const NAT64_PREFIX = '64:ff9b::'
const NAT64_BITS = 96

const NEVER = blockList(NEVER_V4, NEVER_V6)
const LOCAL = blockList(LOCAL_V4, LOCAL_V6)

interface Pattern {
  matches: RegExp
  /** It consists of more than wildcards. */
  isNaming: boolean
}

export class CallbackRule {
  readonly #patterns: readonly Pattern[]
  readonly #ownAddresses: () => string[]

  /**
   * @param allow patterns of host names in which `*` matches anything, e.g. `*.example.com`.
   * @param ownAddresses this machine's addresses, read every time because they change.
   */
  constructor(allow: readonly string[], ownAddresses = addressesOfThisMachine) {
    this.#patterns = allow.map(patternOf)
    this.#ownAddresses = ownAddresses
  }

  /** @returns what is wrong with it, to follow its name in a sentence; or undefined. */
  urlProblem(text: string): string | undefined {
    if (text.length > LONGEST_URL) return `is longer than ${LONGEST_URL} characters`
    if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return 'is not an absolute http or https URL'
    const url = new URL(text)
    if (url.username !== '' || url.password !== '') return 'must not contain credentials'
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
    if (!this.#patterns.some(({ matches }) => matches.test(host))) {
      return `names ${host}, which is not on the allow-list (--callback-allow)`
    }
    if (isIP(host) !== 0) return this.addressProblem(host, host)
    return isLocalName(host) && !this.#isNamed(host) ? localProblem(host) : undefined
  }

  /**
   * @param host as the URL has it, without brackets
   * @param address an IP address that it resolves to
   */
  addressProblem(host: string, address: string): string | undefined {
    const plain = address.replace(/%.*$/, '')
    if (isIP(plain) === 0 || holds(NEVER, plain)) return `resolves to ${address}, where results are never sent`
    const isLocal = holds(LOCAL, plain) || holds(listOf(this.#ownAddresses()), plain)
    return isLocal && !this.#isNamed(host) ? localProblem(address) : undefined
  }

  #isNamed(host: string): boolean {
    return this.#patterns.some(({ isNaming, matches }) => isNaming && matches.test(host))
  }
}

function localProblem(place: string): string {
  return `resolves to ${place}, which is not public: results go there only if --callback-allow names the host`
}

/** RFC 6761: always loopback, whatever DNS says. */
function isLocalName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

function patternOf(pattern: string): Pattern {
  const source = pattern
    .toLowerCase()
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
  return { matches: new RegExp(`^${source}$`), isNaming: /[^*.:]/.test(pattern) }
}

function holds(list: BlockList, address: string): boolean {
  return list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}

function addressesOfThisMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap(addresses =>
    (addresses ?? []).map(({ address }) => address.replace(/%.*$/, '')),
  )
}

function listOf(addresses: readonly string[]): BlockList {
  const list = new BlockList()
  for (const address of addresses) list.addAddress(address, familyOf(address))
  return list
}

function blockList(v4: readonly Subnet[], v6: readonly Subnet[]): BlockList {
  const list = new BlockList()
  for (const [address, bits] of v4) {
    list.addSubnet(address, bits, 'ipv4') // Matches mapped addresses too.
    list.addSubnet(NAT64_PREFIX + address, NAT64_BITS + bits, 'ipv6')
  }
  for (const [address, bits] of v6) list.addSubnet(address, bits, 'ipv6')
  return list
}
