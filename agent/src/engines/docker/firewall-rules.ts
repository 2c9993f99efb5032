/**
 * What the machine's firewall drops for us.
 *
 * Invariants: 1. setting a rule twice is setting it once. 2. all carry our name as a comment. 3. each names a bridge: one
 * that is left behind, because somebody else removed the network, matches nothing.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

const WAIT_SECONDS = '5'

export interface Dropped {
  /** `raw` is ahead of every rewriting of addresses; `DOCKER-USER` is ahead of Docker's rules on what is forwarded. */
  chain: 'raw PREROUTING' | 'filter DOCKER-USER'
  /** Arguments of iptables. */
  packets: readonly string[]
}

/** @returns why they could not be set; undefined if they are set */
export async function drop(rules: readonly Dropped[]): Promise<string | undefined> {
  try {
    for (const rule of rules) {
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
export async function dropNoLonger(rules: readonly Dropped[]): Promise<void> {
  for (const rule of rules) await iptables('-D', rule).catch(() => undefined)
}

async function iptables(action: '-C' | '-I' | '-D', { chain, packets }: Dropped): Promise<void> {
  const [table, name] = chain.split(' ') as [string, string]
  const rule = [name, ...packets, '-m', 'comment', '--comment', 'ryo-faas', '-j', 'DROP']
  await run('iptables', ['-w', WAIT_SECONDS, '-t', table, action, ...rule])
}
