import { basename, dirname } from 'node:path'
import { scheduleLabel, type DeploymentView } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { printEngine, printPlatform } from './platform-table.ts'
import { nextRun } from './schedules.ts'

export const details: Command = {
  usage: 'details [name]',
  describe: 'Show all deployments and their state, or one in detail',
  options: yargs => yargs.positional('name', { type: 'string', describe: 'Deployment name' }),
  run: async (args, context) => {
    const client = await context.connect()
    if (args['name'] !== undefined) {
      const view = await client.call('deployment', { params: { name: args['name'] as string } })
      context.output.value(view)
      return printOne(view, context)
    }
    const [platform, { deployments }] = await Promise.all([client.call('platform', {}), client.call('deployments', {})])
    context.output.value({ platform, deployments })
    printPlatform(platform, context.output)
    context.output.line()
    printEngine(platform, context.output)
    context.output.line()
    if (deployments.length === 0) return context.output.line('Nothing is deployed yet. Try: ryo-faas deploy')
    printAll(deployments, context)
  },
}

function printAll(deployments: DeploymentView[], { output }: Context): void {
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
      view.deployFile === undefined ? '-' : basename(dirname(view.deployFile)),
      view.url,
    ]),
  )
}

function printOne(view: DeploymentView, { output }: Context): void {
  const { bold, dim } = output.colors
  output.line(`${bold(view.name)}  ${view.kind}  v${view.version}  ${paintState(view.state, output.colors)}`)
  output.line(view.url)
  output.line(dim(view.filePath))
  if (view.deployFile !== undefined) output.line(dim(`deployed from ${view.deployFile}`))
  output.line(`${view.calls} calls, ${view.errors} errors, p95 ${formatP95(view)}`)
  for (const trigger of view.triggers) {
    if (trigger.kind === 'schedule') output.line(`${scheduleLabel(trigger.schedule)}: ${nextRun(trigger)}`)
  }
  if (view.lastExit) output.line(`last exit ${view.lastExit.at}: ${view.lastExit.reason}`)
  output.line()
  output.table(
    ['INSTANCE', 'VERSION', 'STATE', 'ADDRESS', 'STARTED'],
    view.instances.map(({ id, version, state, address, startedAt }) => [
      id,
      `v${version}`,
      state,
      address ?? '-',
      startedAt,
    ]),
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
  )
}

function instancesOf(view: DeploymentView): string {
  return `${view.instances.filter(({ state }) => state === 'ready').length}/${view.desiredInstances}`
}

function formatP95({ p95Ms }: DeploymentView): string {
  return p95Ms === null ? '-' : `${p95Ms < 10 ? p95Ms.toFixed(1) : Math.round(p95Ms)} ms`
}

function paintState(state: DeploymentView['state'], colors: Context['output']['colors']): string {
  const paint = { running: colors.green, starting: colors.yellow, degraded: colors.yellow, failing: colors.red }
  return paint[state](state)
}
