/**
 * Networks of others that a function joins by name, such as that of a Compose project.
 *
 * Invariants: 1. A container joins before it starts, so that what it connects to is there from its first line on.
 * 2. Link-local addresses stay closed to it, although its way out may lead through such a network: a rule for its own
 * MAC address, which nobody else has and it cannot change. 3. The rules go with the container; its labels name them.
 */
import { randomBytes } from 'node:crypto'
import type Docker from 'dockerode'
import type { NetworkInspectInfo } from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'
import { nullIfMissing } from '../../docker/index.ts'
import { block, unblock, type Blocked } from './link-local-block.ts'
import { bridgeOf } from './project-network.ts'

export interface Joining {
  network: string
  mac: string
  /** Absent: it is not a bridge of this machine. */
  bridge?: string
}

/** @throws RyoFaasError START_FAILED if one is missing, is not for functions, or is a way out that is not wanted */
export async function planJoining(
  docker: Docker,
  { networks = [], egress }: { networks?: readonly string[] | undefined; egress?: 'internet' | 'none' | undefined },
  { isLocal }: { isLocal: boolean },
): Promise<Joining[]> {
  const inspect = (name: string): Promise<NetworkInspectInfo | null> =>
    docker.getNetwork(name).inspect().catch(nullIfMissing)
  const found = await Promise.all(networks.map(inspect))
  const joinings: Joining[] = []
  for (const [index, info] of found.entries()) {
    const network = networks[index]!
    if (info === null) throw await missing(docker, network)
    if (!canJoin(info)) throw new RyoFaasError('START_FAILED', `functions cannot join the network "${network}"`)
    if (egress === 'none' && !info.Internal) {
      throw new RyoFaasError(
        'START_FAILED',
        `the network "${network}" leads outside, which "egress": "none" excludes`,
        {
          hint: 'Make the network internal, or remove one of the two from deploy.json.',
        },
      )
    }
    const mac = `02:${[...randomBytes(5)].map(byte => byte.toString(16).padStart(2, '0')).join(':')}`
    joinings.push({ network, mac, ...(isLocal && info.Driver === 'bridge' && { bridge: bridgeOf(info) }) })
  }
  return joinings
}

/** Before the container is created. If there is no firewall to configure, the start of the platform has said so. */
export async function closeLinkLocal(joinings: readonly Joining[]): Promise<void> {
  for (const { mac, bridge } of joinings) if (bridge !== undefined) await block({ bridge, mac })
}

export function joiningLabel(joinings: readonly Joining[]): string {
  return joinings.flatMap(({ bridge, mac }) => (bridge === undefined ? [] : [`${bridge}=${mac}`])).join(' ')
}

/** @param label of a container that is gone */
export async function leave(label: string): Promise<void> {
  const rules = label.split(' ').map(rule => rule.split('='))
  for (const [bridge, mac] of rules) {
    if (bridge && mac) await unblock({ bridge, mac } satisfies Blocked)
  }
}

function canJoin({ Driver, Labels }: NetworkInspectInfo): boolean {
  return Driver !== 'host' && Driver !== 'null' && Labels?.['ryo-faas'] === undefined
}

async function missing(docker: Docker, network: string): Promise<RyoFaasError> {
  const all = await docker.listNetworks()
  const names = all.filter(canJoin).map(({ Name }) => Name)
  return new RyoFaasError('START_FAILED', `there is no Docker network "${network}"`, {
    hint: `There are: ${names.sort().join(', ')}. Start what creates it first, or correct "networks" in deploy.json.`,
  })
}
