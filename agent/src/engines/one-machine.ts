/** For engines that run functions on this machine only: what they say of `"nodes"` in deploy.json. */
export function ignoredNodes(nodes: string | undefined): string[] {
  return nodes === undefined ? [] : ['"nodes" has no effect: functions run on this machine (--engine swarm has others)']
}
