import { basename, dirname } from 'node:path'
import { triggerLabel, type DeploymentView, type PlatformView, type TriggerView } from '../../contract/index.ts'
import type { Command } from '../context.ts'
import type { Output } from '../output.ts'
import { printAgents, printCertificates, printEngine, printPlatform, printWaiting } from './platform-table.ts'

export const details: Command = {
  usage: 'details [name]',
  describe: 'Show all deployments and their state, or one in detail',
  options: yargs => yargs.positional('name', { type: 'string', describe: 'Deployment name' }),
  run: async (args, { output, connect }) => {
    const client = await connect()
    if (args['name'] !== undefined) {
      return showDeployment(await client.call('deployment', { params: { name: args['name'] as string } }), output)
    }
    const [platform, { deployments }] = await Promise.all([client.call('platform', {}), client.call('deployments', {})])
    showDeployments(platform, deployments, output)
  },
}

export function showDeployments(platform: PlatformView, deployments: DeploymentView[], output: Output): void {
  output.value({ platform, deployments })
  printPlatform(platform, output)
  printWaiting(platform, output)
  printAgents(platform, output)
  printCertificates(platform, output)
  output.line()
  printEngine(platform, output)
  output.line()
  if (deployments.length === 0) return output.line('Nothing is deployed yet. Try: ryo-faas deploy')
  printAll(deployments, output)
}

export function showDeployment(view: DeploymentView, output: Output): void {
  output.value(view)
  printOne(view, output)
}

function printAll(deployments: DeploymentView[], output: Output): void {
  output.table(
    ['NAME', 'KIND', 'VERSION', 'INSTANCES', 'STATE', 'CALLS', 'ERRORS', 'P95', 'PROJECT', 'URL'],
    deployments.map(view => [
      view.name,
      view.kind,
      `v${view.version}`,
      instancesOf(view),
      paintState(view.state, output.colors),
      String(view.calls),
      String(view.errors),
      formatP95(view),
      view.project ?? (view.deployFile === undefined ? '-' : basename(dirname(view.deployFile))),
      view.url,
    ]),
    ['PROJECT', 'KIND', 'P95', 'INSTANCES', 'ERRORS', 'CALLS', 'VERSION'],
  )
}

function printOne(view: DeploymentView, output: Output): void {
  const { bold, dim } = output.colors
  output.line(`${bold(view.name)}  ${view.kind}  v${view.version}  ${paintState(view.state, output.colors)}`)
  output.line(view.url)
  output.line(dim(view.filePath))
  if (view.node !== undefined) output.line(`Node ${view.node}`)
  const origin = view.project === undefined ? view.deployFile : `the project ${view.project}`
  if (origin !== undefined) output.line(dim(`deployed from ${origin}`))
  output.line(`${numberOf(view)} awake`)
  output.line(`${view.calls} calls, ${view.errors} errors, p95 ${formatP95(view)}`)
  for (const trigger of view.triggers) {
    if (trigger.kind === 'schedule') output.line(`${trigger.label}: ${nextRun(trigger)}`)
    else for (const filter of trigger.filters) output.line(`on ${triggerLabel(filter)}`)
  }
  if (view.lastExit) output.line(`last exit ${view.lastExit.at}: ${view.lastExit.reason}`)
  output.line()
  const hasMachines = view.instances.some(({ machine }) => machine !== undefined)
  output.table(
    ['INSTANCE', 'VERSION', 'STATE', ...(hasMachines ? ['MACHINE'] : []), 'ADDRESS', 'STARTED'],
    view.instances.map(({ id, version, state, address, machine, startedAt }) => [
      ...[id, `v${version}`, state, ...(hasMachines ? [machine ?? '-'] : [])],
      ...[address ?? '-', startedAt],
    ]),
    ['STARTED', 'ADDRESS'],
  )
  output.line()
  output.table(
    ['VERSION', 'HASH', 'CREATED', ''],
    view.versions.map(({ version, hash, createdAt, active }) => [
      `v${version}`,
      hash,
      createdAt,
      active ? 'active' : '',
    ]),
    ['CREATED'],
  )
}

function instancesOf(view: DeploymentView): string {
  return `${view.instances.filter(({ state }) => state === 'ready').length}/${view.desiredInstances}`
}

/** How many are awake, and how many may be. */
function numberOf(view: DeploymentView): string {
  const { scale } = view
  if (scale === undefined || scale.min === scale.max) return `${instancesOf(view)} instances`
  const ready = view.instances.filter(({ state }) => state === 'ready').length
  return `${ready} of ${scale.min} to ${scale.max} instances`
}

function formatP95({ p95Ms }: DeploymentView): string {
  return p95Ms === null ? '-' : `${p95Ms < 10 ? p95Ms.toFixed(1) : Math.round(p95Ms)} ms`
}

function paintState(state: DeploymentView['state'], colors: Output['colors']): string {
  const paint = {
    ...{ running: colors.green, starting: colors.yellow, degraded: colors.yellow, failing: colors.red },
    asleep: colors.dim,
  }
  return paint[state](state)
}

/** In local time. */
export function nextRun({
  isPaused,
  nextAt,
}: Pick<Extract<TriggerView, { kind: 'schedule' }>, 'isPaused' | 'nextAt'>): string {
  if (isPaused) return 'paused'
  return nextAt === undefined ? 'never again' : new Date(nextAt).toLocaleString('sv')
}
