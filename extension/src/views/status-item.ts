/** The platform's state in the status bar. Pure. */
import type { PlatformView } from 'ryo-faas/contract'
import type { LinkState } from '../agent/platform-link.ts'
import { plural } from '../editor/format.ts'

export interface StatusText {
  text: string
  tooltip: string
  command: string
  isWarning: boolean
}

export function statusText(state: LinkState): StatusText | undefined {
  switch (state.kind) {
    case 'unknown':
      return undefined
    case 'connecting':
      return {
        text: `$(sync~spin) FaaS: ${state.server}`,
        tooltip: `ryo-faas is connecting to the server ${state.server}. Click to choose another.`,
        command: 'ryo-faas.chooseServer',
        isWarning: false,
      }
    case 'absent':
      return {
        text: '$(circle-slash) FaaS',
        tooltip: 'ryo-faas is not running. Click to start it.',
        command: 'ryo-faas.startFaas',
        isWarning: false,
      }
    case 'away':
      if (state.server !== undefined) {
        return {
          text: `$(debug-disconnect) FaaS: ${state.server}`,
          tooltip: `The server ${state.server} does not answer: ${state.why}. Click to connect again.`,
          command: 'ryo-faas.reconnect',
          isWarning: true,
        }
      }
      return {
        text: '$(debug-disconnect) FaaS',
        tooltip: 'The ryo-faas agent is not responding. It restarts on its own; otherwise run Start FaaS.',
        command: 'ryo-faas.functions.focus',
        isWarning: true,
      }
    case 'connected':
      return connectedText(state)
  }
}

/** The environment that deploys are for; only where there is something to choose. */
export function environmentText(
  environment: string | undefined,
  known: readonly string[],
): Pick<StatusText, 'text' | 'tooltip'> | undefined {
  if (environment === undefined && known.length === 0) return undefined
  const doing = environment === undefined ? 'without an environment' : `for the environment "${environment}"`
  return {
    text: `$(server-environment) ${environment ?? 'no environment'}`,
    tooltip: `ryo-faas deploys ${doing}. Click to choose another.`,
  }
}

/** The server that everything is done on; only where there is something to choose. */
export function serverText(
  server: string | undefined,
  hasServers: boolean,
): Pick<StatusText, 'text' | 'tooltip'> | undefined {
  if (server === undefined && !hasServers) return undefined
  return {
    text: `$(vm) ${server ?? 'this machine'}`,
    tooltip: `ryo-faas works with ${server === undefined ? 'this machine' : `the server ${server}`}. Click to choose another.`,
  }
}

function connectedText({ platform, deployments, server }: LinkState & { kind: 'connected' }): StatusText {
  const command = 'ryo-faas.functions.focus'
  const place = server === undefined ? placeHere(platform) : `on the server ${server}`
  if (platform.phase.kind !== 'ready') {
    const doing = platform.phase.kind === 'starting' ? platform.phase.doing : platform.phase.kind
    return { text: `$(sync~spin) FaaS`, tooltip: `ryo-faas ${place}: ${doing}`, command, isWarning: false }
  }
  const ill = deployments.filter(({ state }) => state === 'failing' || state === 'degraded')
  const parts = platform.parts.filter(({ state }) => state === 'failing')
  const isWarning = ill.length + parts.length > 0
  const names = [...parts, ...ill].map(({ name }) => name).join(', ')
  return {
    text: `$(${isWarning ? 'warning' : 'rocket'}) FaaS: ${isWarning ? `${names} failing` : plural(deployments.length, 'function')}`,
    tooltip: `ryo-faas is running ${place}, ${platform.isolation?.label ?? platform.engine}${leaderOf(platform)}`,
    command,
    isWarning,
  }
}

/** An agent that stands by has no proxy. */
function placeHere({ proxyUrl, cluster }: PlatformView): string {
  return cluster?.role === 'stands-by' ? 'on several machines' : `at ${proxyUrl}`
}

/** Of several agents. */
function leaderOf({ cluster }: PlatformView): string {
  if (cluster === undefined) return ''
  const leader = cluster.agents.find(({ role }) => role === 'leads')
  const others = cluster.agents.filter(({ role }) => role === 'stands-by').length
  const who = leader === undefined ? 'no agent leads' : `the agent on ${leader.name} leads`
  return `\n${who}, ${others === 0 ? 'none stands by' : `${plural(others, 'agent')} ${others === 1 ? 'stands' : 'stand'} by`}`
}
