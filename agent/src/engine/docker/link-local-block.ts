/**
 * Keeps the containers of one bridge from link-local addresses: there, clouds answer anybody who asks with credentials of the
 * machine. The rule is in the table `raw`, ahead of every rewriting of addresses, so that it also holds for what answers
 * there on this machine itself. Name servers stay reachable: some clouds have theirs at such an address.
 *
 * Invariants: 1. setting it twice is setting it once. 2. it matches nothing but what comes from that bridge. 3. it is
 * removed before its bridge is.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** RFC 3927. IPv6 needs no rule: the network has none. */
export const LINK_LOCAL = '169.254.0.0/16'
const PROTOCOLS = ['tcp', 'udp'] as const
const WAIT_SECONDS = '5'

export interface Blocked {
  /** Name of the network interface. */
  bridge: string
  /** Default: link-local addresses. */
  addresses?: string
}

/** @returns why it could not be set; undefined if it is set */
export async function block(blocked: Blocked): Promise<string | undefined> {
  try {
    for (const rule of rulesOf(blocked)) {
      const isThere = await iptables('-C', rule).then(() => true, () => false) // prettier-ignore
      if (!isThere) await iptables('-I', rule)
    }
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'iptables is not installed' : (message.trim().split('\n').at(-1) ?? message)
  }
}

/** What is not there, or may not be removed, stays as it is: it matches a bridge that is gone. */
export async function unblock(blocked: Blocked): Promise<void> {
  for (const rule of rulesOf(blocked)) await iptables('-D', rule).catch(() => undefined)
}

function rulesOf({ bridge, addresses = LINK_LOCAL }: Blocked): string[][] {
  return PROTOCOLS.map(protocol => [
    ...['PREROUTING', '-i', bridge, '-d', addresses, '-p', protocol, '!', '--dport', '53'],
    ...['-m', 'comment', '--comment', 'ryo-faas', '-j', 'DROP'],
  ])
}

async function iptables(action: '-C' | '-I' | '-D', rule: readonly string[]): Promise<void> {
  await run('iptables', ['-w', WAIT_SECONDS, '-t', 'raw', action, ...rule])
}
