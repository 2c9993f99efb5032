/**
 * Where results may be sent. Refused whatever the allow-list says: link-local, metadata, unspecified, multicast and
 * reserved addresses. The check of the URL is the first of two: who connects checks the address that a name stands for.
 */
import { BlockList, isIP } from 'node:net'

const LONGEST_URL = 2_048

const REFUSED_V4 = [
  ['0.0.0.0', 8], // "this network" (RFC 1122)
  ['169.254.0.0', 16], // link-local (RFC 3927) and most clouds' metadata
  ['100.100.100.200', 32], // metadata of Alibaba Cloud
  ['168.63.129.16', 32], // platform of Azure
  ['192.0.0.192', 32], // metadata of Oracle Cloud
  ['224.0.0.0', 4], // multicast (RFC 5771)
  ['240.0.0.0', 4], // reserved and broadcast (RFC 1112)
] as const
const REFUSED_V6 = [
  ['::', 128], // unspecified
  ['fe80::', 10], // link-local (RFC 4291)
  ['ff00::', 8], // multicast
  ['fd00:ec2::254', 128], // metadata of AWS
  ['64:ff9b::a9fe:0', 112], // IPv4 link-local behind NAT64 (RFC 6052)
] as const

const REFUSED = blockList()

/** @param address an IP address without brackets; IPv4 within IPv6 is seen through. */
export function isRefusedAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '')
  const family = isIP(plain)
  return family === 0 || REFUSED.check(plain, family === 4 ? 'ipv4' : 'ipv6')
}

/**
 * @param allow patterns of host names in which `*` stands for anything, e.g. `*.example.com`.
 * @returns what is wrong with it, or undefined.
 */
export function callbackUrlProblem(text: string, allow: readonly string[]): string | undefined {
  if (text.length > LONGEST_URL) return 'is too long'
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return 'is not an absolute http or https URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(host) !== 0 && isRefusedAddress(host)) return 'names an address that results are not sent to'
  return allow.some(pattern => matches(host, pattern)) ? undefined : 'names a host that is not on the allow-list'
}

function matches(host: string, pattern: string): boolean {
  const source = pattern
    .toLowerCase()
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
  return new RegExp(`^${source}$`).test(host)
}

function blockList(): BlockList {
  const list = new BlockList()
  for (const [net, bits] of REFUSED_V4) list.addSubnet(net, bits, 'ipv4')
  for (const [net, bits] of REFUSED_V6) list.addSubnet(net, bits, 'ipv6')
  return list
}
