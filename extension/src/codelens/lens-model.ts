/** The lenses above a handler, given what is known of it. Pure. */
import { relative, sep } from 'node:path'
import type { DeploymentView } from 'ryo-faas/contract'
import { projectFolderOf, projectNameOf } from '../project/project-of.ts'
import { formatDuration, formatMoment } from '../editor/format.ts'

export interface LensSubject {
  /** The deployment's, if there is one. */
  name: string
  /** Absolute path of the module. */
  file: string
  /** What it is, if it was written for another platform: `Hono app`. */
  dialect?: string | undefined
}

export interface LensState {
  deployment: DeploymentView | undefined
  /** What is being done with it, e.g. `building`. */
  activity: string | undefined
  /** Why the last deploy failed, if it did. */
  failure: string | undefined
  /** The agent does not answer: what is shown may be old. */
  isAway: boolean
  /** Where it runs, or would; undefined: this machine. */
  server: string | undefined
}

export interface Lens {
  title: string
  command: string
  tooltip: string
}

/** The deployment that was made from this function, not one with the same name elsewhere. */
function isMadeOf(deployment: DeploymentView, { name, file }: LensSubject): boolean {
  return deployment.name === name && deployment.filePath === file
}

export function lensesOf(subject: LensSubject, state: LensState): Lens[] {
  const { deployment, activity, failure, server } = state
  const { name, dialect } = subject
  if (activity !== undefined) {
    return [{ title: `$(sync~spin) ${activity}…`, command: 'ryo-faas.showOutput', tooltip: 'Show the log' }]
  }
  if (!deployment || !isMadeOf(deployment, subject)) {
    const to = server === undefined ? '' : ` to ${server}`
    const replaced = deployment ? ` (replaces ${placeOf(deployment, subject)})` : ''
    return [
      {
        title: `▶ Deploy function${to}${dialect === undefined ? '' : ` (${dialect})`}${replaced}`,
        command: 'ryo-faas.deploy',
        tooltip: `Run ${name} on ${server === undefined ? 'this machine' : `the server ${server}`}`,
      },
    ]
  }
  return [
    {
      title: statusLine(deployment, state),
      command: 'ryo-faas.showFunction',
      tooltip: [
        ...(dialect === undefined ? [] : [dialect]),
        ...(failure === undefined ? [] : [`last deploy failed: ${failure}`]),
        tooltipOf(deployment),
      ].join('\n'),
    },
    { title: 'Redeploy', command: 'ryo-faas.deploy', tooltip: 'Check, build, start and switch traffic to this code' },
    ...(deployment.kind === 'trigger'
      ? []
      : [{ title: 'Invoke', command: 'ryo-faas.invoke', tooltip: 'Send a request' }]),
    { title: 'Logs', command: 'ryo-faas.logs', tooltip: 'Follow the logs' },
    { title: 'Traces', command: 'ryo-faas.showTraces', tooltip: 'See where the time went' },
  ]
}

/** Where another function with this name is: its project, or its file if that is in the same project. */
function placeOf(deployment: DeploymentView, { name, file }: LensSubject): string {
  const folder = projectFolderOf(deployment)
  const isOfThisProject = folder !== undefined && file.startsWith(folder + sep)
  const place = isOfThisProject ? relative(folder, deployment.filePath) : projectNameOf(deployment)
  return `${name} of “${place}”`
}

function statusLine(deployment: DeploymentView, { failure, isAway, server }: LensState): string {
  const { version, state, calls, errors, p95Ms, debugPort, triggers } = deployment
  const parts = [`${isAway ? '$(debug-disconnect)' : markOf(state)} v${version}`]
  if (server !== undefined) parts[0] += ` on ${server}`
  if (isAway) parts[0] += server === undefined ? ' (agent away)' : ' (not connected)'
  else if (state !== 'running') parts[0] += ` ${state}`
  if (failure !== undefined) parts.push('last deploy failed')
  parts.push(`${calls} ${calls === 1 ? 'call' : 'calls'}`)
  if (errors > 0) parts.push(`${errors} failed`)
  // How long a debugger held its calls says nothing about the function.
  if (p95Ms !== null && debugPort === undefined) parts.push(`p95 ${formatDuration(p95Ms)}`)
  const next = nextRun(triggers)
  if (next !== undefined) parts.push(`next ${formatMoment(next)}`)
  return parts.join(' · ')
}

/** Of all its schedules. */
function nextRun(triggers: DeploymentView['triggers']): string | undefined {
  return triggers.flatMap(trigger => (trigger.kind === 'schedule' ? (trigger.nextAt ?? []) : [])).sort()[0]
}

function markOf(state: DeploymentView['state']): string {
  switch (state) {
    case 'running':
      return '✓'
    case 'starting':
      return '$(sync~spin)'
    case 'asleep':
      return '$(debug-pause)'
    case 'degraded':
    case 'failing':
      return '$(warning)'
  }
}

function tooltipOf({ url, state, lastExit, instances, desiredInstances }: DeploymentView): string {
  const ready = instances.filter(({ state }) => state === 'ready').length
  const exit = lastExit ? `\nlast exit: ${lastExit.reason}` : ''
  if (state === 'asleep') return `${url}\nasleep until it is called${exit}`
  return `${url}\n${ready} of ${desiredInstances} instances ready${exit}`
}
