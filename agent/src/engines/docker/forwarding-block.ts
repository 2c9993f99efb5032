/**
 * Keeps what other machines send from the containers of one bridge: a function is called through the proxy. Docker of
 * version 28 and later does the same; before, it depends on what else the machine's firewall forwards.
 *
 * Invariants: 1. this machine itself reaches the containers. 2. answers to what the containers request come in. 3. it is
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
