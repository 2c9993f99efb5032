/**
 * Keeps packets of other machines from the containers of one bridge: functions are called through the proxy. Docker
 * 28 and later does the same; before, it depends on what else the machine's firewall forwards.
 *
 * Invariants: 1. This machine itself reaches the containers. 2. Answers to the containers' requests pass. 3. It is
 * removed before its bridge is.
 */
import { drop, dropNoLonger, type Dropped } from './firewall-rules.ts'

/** @param bridge name of the network interface @returns why it could not be set; undefined if it is set */
export function seclude(bridge: string): Promise<string | undefined> {
  return drop([forwardedTo(bridge)])
}

export function expose(bridge: string): Promise<void> {
  return dropNoLonger([forwardedTo(bridge)])
}

function forwardedTo(bridge: string): Dropped {
  const packets = ['!', '-i', bridge, '-o', bridge, '-m', 'conntrack', '!', '--ctstate', 'RELATED,ESTABLISHED']
  return { chain: 'filter DOCKER-USER', packets }
}
