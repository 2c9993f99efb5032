/** The platform and its parts. */
import type { ClusterView, PartView } from 'ryo-faas/contract'
import type { LinkState } from '../agent/platform-link.ts'
import type { TreeNode } from '../tree/node.ts'

export function platformNodes(state: LinkState): TreeNode[] {
  if (state.kind === 'unknown' || state.kind === 'absent') return []
  if (state.kind === 'connecting') {
    return [{ id: 'connecting', label: state.server, description: 'connecting', icon: { name: 'sync~spin' } }]
  }
  if (state.kind === 'away') {
    const node: TreeNode = state.server === undefined ? AWAY : lostNode(state.server, state.why ?? '')
    return [node, ...(state.last?.platform.parts.map(part => partNode(part, true)) ?? [])]
  }
  const { phase, parts, engine, engineNote, isolation, project, cluster } = state.platform
  const head: TreeNode = {
    id: 'engine',
    label: state.server ?? project,
    description: isolation?.label ?? engine,
    icon: { name: isolation?.warning === undefined ? 'package' : 'server-process' },
    tooltip: engineNote,
    context: `platform.${engine}`,
  }
  switch (phase.kind) {
    case 'starting':
      head.description = phase.doing
      head.icon = { name: 'sync~spin' }
      break
    case 'stopping':
      head.description = 'stopping'
      head.icon = { name: 'sync~spin' }
      break
    case 'failed':
      head.description = phase.error.message
      head.icon = { name: 'error', color: 'testing.iconFailed' }
      break
    case 'ready':
  }
  return [head, ...(cluster?.agents.map(agentNode) ?? []), ...parts.map(part => partNode(part, false))]
}

/** Of several agents: whether it leads. */
function agentNode({ name, role, address, version, isThis }: ClusterView['agents'][number], index: number): TreeNode {
  const doing = role === 'leads' ? 'leads' : 'stands by'
  return {
    id: `agent ${index}`,
    label: name,
    description: [doing, ...(isThis ? ['this one'] : [])].join(' · '),
    tooltip: `The agent on ${name} ${doing}${address === undefined ? '' : `, at ${address}`}\nrelease ${version}`,
    icon: role === 'leads' ? { name: 'star-full', color: 'testing.iconPassed' } : { name: 'star-empty' },
  }
}

const AWAY: TreeNode = {
  id: 'away',
  label: 'The agent is not responding',
  description: 'functions keep running; waiting for it to restart',
  icon: { name: 'debug-disconnect', color: 'charts.yellow' },
  tooltip: 'Calls are not affected. It restarts on its own; otherwise run Start FaaS.',
}

function lostNode(server: string, why: string): TreeNode {
  return {
    id: 'away',
    label: `${server} does not answer`,
    description: why,
    icon: { name: 'debug-disconnect', color: 'charts.yellow' },
    tooltip: `${why}\nWhat runs there keeps running. Click to connect again.`,
    command: { id: 'ryo-faas.reconnect', title: 'Connect again' },
  }
}

const ICONS: Record<string, string> = {
  agent: 'hubot',
  keeper: 'shield',
  proxy: 'globe',
  nats: 'broadcast',
  store: 'database',
  dispatcher: 'arrow-swap',
}

function partNode({ name, state, address, pid, restarts, note }: PartView, isOld: boolean): TreeNode {
  const kind = name.replace(/-\d+$/, '')
  const facts = [address, state === 'running' ? undefined : state]
  if (restarts > 0) facts.push(`restarted ${restarts} ${restarts === 1 ? 'time' : 'times'}`)
  const color = isOld ? 'disabledForeground' : COLORS[state]
  const lines = [
    `${name}: ${state}`,
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(note === undefined ? [] : [note]),
  ]
  return {
    id: `part ${name}`,
    label: name,
    description: facts.filter(Boolean).join(' · '),
    spoken: [name, state, ...facts.filter(fact => fact !== state)].filter(Boolean).join(', '),
    tooltip: lines.join('\n'),
    icon: { name: state === 'starting' ? 'sync~spin' : (ICONS[kind] ?? 'circle'), color },
    context: `part.${kind}`,
  }
}

const COLORS = {
  running: 'testing.iconPassed',
  starting: 'charts.yellow',
  failing: 'testing.iconFailed',
  absent: 'disabledForeground',
} as const
