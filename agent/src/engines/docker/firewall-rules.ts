/**
 * What the machine's firewall drops for us.
 *
 * Invariants: 1. Setting a rule twice has no further effect. 2. All carry our name as a comment. 3. Each names a
 * bridge: a rule that is left over because the network was removed by others matches nothing.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

const WAIT_SECONDS = '5'

export interface Dropped {
  /** `raw` precedes all address translation; `DOCKER-USER` precedes Docker's rules for forwarding. */
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

/** A rule that is missing or cannot be removed is ignored: its bridge is gone, so it matches nothing. */
export async function dropNoLonger(rules: readonly Dropped[]): Promise<void> {
  for (const rule of rules) await iptables('-D', rule).catch(() => undefined)
}

async function iptables(action: '-C' | '-I' | '-D', { chain, packets }: Dropped): Promise<void> {
  const [table, name] = chain.split(' ') as [string, string]
  const rule = [name, ...packets, '-m', 'comment', '--comment', 'ryo-faas', '-j', 'DROP']
  await run('iptables', ['-w', WAIT_SECONDS, '-t', table, action, ...rule])
}
