/** The commands that change a deployment or the project in one call. */
import { routeOf } from '@ryo-faas/runtime/protocol'
import { CallsClient } from '../../client/index.ts'
import { RyoFaasError, type DeploymentView } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command } from '../context.ts'
import { countOf, formatBytes } from '../output.ts'

const NAME = { type: 'string', demandOption: true, describe: 'Deployment name' } as const

export const stop: Command = {
  usage: 'stop <names..>',
  describe: 'Drain and remove deployments',
  options: yargs => yargs.positional('names', { ...NAME, array: true }),
  destroys: args => `Stop ${(args['names'] as string[]).join(', ')}`,
  run: async (args, { output, connect, signal }) => {
    const client = await connect()
    const names = args['names'] as string[]
    // All names are looked up before any is stopped.
    for (const name of names) await client.call('deployment', { params: { name } })
    const progress = output.progress(`draining ${names.join(', ')}`)
    try {
      await Promise.all(names.map(name => client.call('stop', { params: { name } }, signal)))
    } finally {
      progress.stop()
    }
    output.value({ stopped: names })
    output.line(`stopped: ${names.join(', ')}`)
    for (const name of await withWaitingCalls(await CallsClient.of(client, signal), names)) {
      output.note(`${name} still has queued calls; they run when it is deployed again`)
      output.note(`  ryo-faas calls cancel --all --function ${name}   # to cancel them`)
    }
  },
}

/** Empty if the calls API cannot be asked. */
async function withWaitingCalls(calls: CallsClient, names: string[]): Promise<string[]> {
  const waits = async (name: string) => {
    for await (const page of calls.pages({ function: routeOf(name), status: 'queued', limit: 1 })) {
      if (page.length > 0) return true
    }
    return false
  }
  const answers = await Promise.all(names.map(name => waits(name).catch(() => false)))
  return names.filter((_, index) => answers[index])
}

export const scale: Command = {
  usage: 'scale <name> <instances>',
  describe: 'Set the number of instances, or let it follow the calls',
  options: yargs =>
    yargs.positional('name', NAME).positional('instances', {
      type: 'string',
      demandOption: true,
      describe: 'A number; 0: asleep until it is called; auto: as deploy.json says',
    }),
  run: async (args, { output, connect, signal }) => {
    const instances: number | 'auto' = args['instances'] === 'auto' ? 'auto' : Number(args['instances'])
    if (Number.isNaN(instances)) {
      const hint = 'Usage: ryo-faas scale <name> <instances>'
      throw new RyoFaasError('INVALID_OPTION', '<instances> must be a number or auto', { hint })
    }
    const progress = output.progress(`scaling ${String(args['name'])}`)
    try {
      const input = { params: { name: String(args['name']) }, body: { instances } }
      const view = await (await connect()).call('scale', input, signal)
      progress.stop()
      output.value(view)
      output.line(`${view.name} ${instances === 0 ? sleepOf(view) : numberOf(view)}`)
    } finally {
      progress.stop()
    }
  },
}

function sleepOf({ state }: DeploymentView): string {
  return state === 'asleep' ? 'is asleep until it is called' : 'sleeps as soon as its calls have ended'
}

function numberOf({ scale: range, desiredInstances }: DeploymentView): string {
  if (range === undefined || range.min === range.max) return `now has ${countOf(desiredInstances, 'instance')}`
  return `now has ${range.min} to ${range.max} instances, as it is called`
}

export const rollback: Command = {
  usage: 'rollback <name> [to]',
  describe: 'Go back to an earlier version without rebuilding',
  destroys: args => `Roll back ${String(args['name'])}`,
  options: yargs =>
    yargs
      .positional('name', NAME)
      .positional('to', { type: 'number', describe: 'Version to go back to (default: the previous one)' }),
  run: async (args, { output, connect, signal }) => {
    const progress = output.progress(`rolling back ${String(args['name'])}`)
    try {
      const body = args['to'] === undefined ? {} : { version: Number(args['to']) }
      const view = await (await connect()).call('rollback', { params: { name: String(args['name']) }, body }, signal)
      progress.stop()
      output.value(view)
      output.line(`${view.name} is now on v${view.version}`)
    } finally {
      progress.stop()
    }
  },
}

export const prune: Command = {
  usage: 'prune',
  describe: 'Remove function images that no version needs any longer',
  destroys: () => 'Remove unused images',
  run: async (_, { output, connect }) => {
    const result = await (await connect()).call('prune', {})
    output.value(result)
    for (const ref of result.removed) output.line(`removed ${ref}`)
    output.line(`${result.removed.length} removed, ${formatBytes(result.freedBytes)}`)
  },
}

export const reset: Command = {
  usage: 'reset',
  describe: 'Stop and remove every deployment',
  destroys: () => 'Stop and remove every deployment',
  options: yargs => yargs.option('yes', YES),
  run: async (args, context) => {
    const client = await context.connect()
    await confirm('Stop and remove every deployment of this project?', args['yes'] === true, context)
    const { removed } = await client.call('reset', {})
    context.output.value({ removed })
    context.output.line(removed.length === 0 ? 'nothing was deployed' : `removed: ${removed.join(', ')}`)
  },
}
