/** The deployments, grouped by kind. */
import { triggerLabel, type DeploymentKind, type DeploymentView, type TriggerView } from 'ryo-faas/contract'
import type { LinkState } from '../agent/platform-link.ts'
import { projectNameOf } from '../project/project-of.ts'
import { formatAge, formatDuration, plural } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'

type ScheduleView = Extract<TriggerView, { kind: 'schedule' }>

const GROUPS: Record<DeploymentKind, string> = {
  http: 'HTTP',
  async: 'Async',
  trigger: 'Triggers',
  service: 'Services',
}

export interface FunctionsState {
  link: LinkState
  activityOf(name: string): string | undefined
  /** Whether a file is in this workspace. */
  isOpen(path: string): boolean
  /** Why the last start found no Docker, if it did not. */
  dockerMissing: string | undefined
  /** Milliseconds since 1970. */
  now: number
}

export function functionNodes({ link, activityOf, isOpen, dockerMissing, now }: FunctionsState): TreeNode[] {
  if (link.kind === 'absent' && dockerMissing !== undefined) return withoutDocker(dockerMissing)
  const snapshot = link.kind === 'connected' ? link : link.kind === 'away' ? link.last : undefined
  if (!snapshot) return []
  const kinds = Object.keys(GROUPS) as DeploymentKind[]
  return kinds.flatMap(kind => {
    const own = snapshot.deployments.filter(deployment => deployment.kind === kind)
    if (own.length === 0) return []
    const children = own
      .sort((a, b) => a.name.localeCompare(b.name))
      .map(deployment =>
        functionNode(deployment, {
          activity: activityOf(deployment.name),
          // For what is open here, the path is enough.
          project: isOpen(deployment.filePath) ? undefined : projectNameOf(deployment),
          now,
        }),
      )
    return [{ id: `group ${kind}`, label: GROUPS[kind], description: String(own.length), children, context: 'group' }]
  })
}

/** What was tried, and what to do next. */
function withoutDocker(tried: string): TreeNode[] {
  const way = (label: string, icon: string, id: string, args: unknown[] = []): TreeNode => ({
    id: label,
    label,
    icon: { name: icon },
    command: { id, title: label, arguments: args },
  })
  return [
    {
      id: 'engine',
      label: 'Docker is not responding',
      description: tried,
      tooltip: tried,
      icon: { name: 'error', color: 'testing.iconFailed' },
      command: { id: 'ryo-faas.showOutput', title: 'Show the log' },
    },
    way('Run without containers', 'play', 'ryo-faas.startWithoutContainers'),
    way('Try again', 'refresh', 'ryo-faas.startFaas'),
    way('Change the settings', 'gear', 'workbench.action.openSettings', ['ryo-faas']),
  ]
}

function functionNode(
  deployment: DeploymentView,
  { activity, project, now }: { activity: string | undefined; project: string | undefined; now: number },
): TreeNode {
  const { name, version, state, instances, desiredInstances, calls, errors, p95Ms, url, kind, filePath, lastExit } =
    deployment
  const ready = instances.filter(instance => instance.state === 'ready').length
  const facts: string[] = []
  if (desiredInstances > 1 || ready !== desiredInstances) facts.push(`${ready}/${desiredInstances} instances`)
  if (calls > 0) facts.push(plural(calls, 'call'))
  if (errors > 0) facts.push(`${errors} failed`)
  const timing = p95Ms === null ? '' : `, p95 ${formatDuration(p95Ms)}`
  const exit = lastExit ? `\nlast exit ${formatAge(lastExit.at, now)}: ${lastExit.reason}` : ''
  return {
    id: `function ${name}`,
    label: name,
    // The icon says that it is running.
    description: listOf(`v${version}`, project, activity ?? (state === 'running' ? undefined : state), ...facts).join(
      ' · ',
    ),
    spoken: listOf(name, `version ${version}`, project, activity ?? state, ...facts).join(', '),
    tooltip: `${url}\n${filePath}\n${plural(calls, 'call')}${timing}, ${errors} failed${exit}`,
    icon: activity ? { name: 'sync~spin' } : iconOf(deployment),
    context: `deployment.${kind}`,
    subject: { kind: 'deployment', name },
    command: { id: 'ryo-faas.openSource', title: 'Open the source' },
    children: detailsOf(deployment, now),
    isCollapsed: true,
  }
}

function listOf(...items: (string | undefined)[]): string[] {
  return items.filter(item => item !== undefined)
}

function iconOf({ state }: DeploymentView): NonNullable<TreeNode['icon']> {
  switch (state) {
    case 'running':
      return { name: 'pass-filled', color: 'testing.iconPassed' }
    case 'starting':
      return { name: 'sync~spin' }
    case 'degraded':
      return { name: 'warning', color: 'charts.yellow' }
    case 'asleep':
      return { name: 'debug-pause' }
    case 'failing':
      return { name: 'error', color: 'testing.iconFailed' }
  }
}

function scheduleNode(name: string, { key, label, isPaused, nextAt }: ScheduleView): TreeNode {
  const next = nextAt === undefined ? 'never again' : `next ${new Date(nextAt).toLocaleString()}`
  return {
    id: `schedule ${name} ${key}`,
    label,
    description: isPaused ? 'paused' : next,
    icon: { name: isPaused ? 'debug-pause' : 'clock' },
    context: isPaused ? 'schedule.paused' : 'schedule.waiting',
    subject: { kind: 'schedule', name, key },
  }
}

const INSTANCE_ICONS: Record<DeploymentView['instances'][number]['state'], string> = {
  ready: 'vm-active',
  starting: 'vm-running',
  draining: 'vm-running',
  frozen: 'debug-pause',
  exited: 'vm-outline',
}

function detailsOf({ name, url, triggers, instances, versions, lastExit }: DeploymentView, now: number): TreeNode[] {
  const failures: TreeNode[] = lastExit
    ? [
        {
          id: `exit ${name}`,
          label: lastExit.reason,
          description: `last exit, ${formatAge(lastExit.at, now)}`,
          icon: { name: 'flame', color: 'testing.iconFailed' },
          subject: { kind: 'deployment', name },
          command: { id: 'ryo-faas.logs', title: 'Show the log' },
        },
      ]
    : []
  return [
    {
      id: `url ${name}`,
      label: url,
      icon: { name: 'link' },
      context: 'url',
      subject: { kind: 'deployment', name },
      command: { id: 'ryo-faas.openInBrowser', title: 'Open in the browser' },
    },
    ...triggers.flatMap(trigger =>
      trigger.kind === 'schedule'
        ? [scheduleNode(name, trigger)]
        : trigger.filters.map((filter): TreeNode => {
            const label = triggerLabel(filter)
            return { id: `trigger ${name} ${trigger.key} ${label}`, label, icon: { name: 'zap' } }
          }),
    ),
    ...failures,
    ...instances.map(({ id, state, version, address, startedAt }): TreeNode => ({
      id: `instance ${id}`,
      label: id,
      description: [`v${version}`, state, address, `since ${formatAge(startedAt, now)}`].filter(Boolean).join(' · '),
      icon: { name: INSTANCE_ICONS[state] },
    })),
    {
      id: `versions ${name}`,
      label: 'Versions',
      description: String(versions.length),
      icon: { name: 'history' },
      isCollapsed: true,
      children: [...versions]
        .sort((a, b) => b.version - a.version)
        .map(({ version, createdAt, active }) => ({
          id: `version ${name} ${version}`,
          label: `v${version}`,
          description: `${active ? 'serving · ' : ''}${formatAge(createdAt, now)}`,
          icon: active ? { name: 'circle-filled', color: 'testing.iconPassed' } : { name: 'circle-outline' },
          context: active ? 'version.active' : 'version',
          subject: { kind: 'version', name, version },
        })),
    },
  ]
}
