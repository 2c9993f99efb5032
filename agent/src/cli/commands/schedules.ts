/** The schedules of all functions: what runs when, and the switches. */
import { RyoFaasError, type TriggerView } from '../../contract/index.ts'
import type { AgentClient, ApiOutput } from '../../client/index.ts'
import type { Command, Context } from '../context.ts'
import { nextRun } from './details.ts'

type Deployment = ApiOutput<'deployment'>
type ScheduleView = Extract<TriggerView, { kind: 'schedule' }>

/** One schedule of a deployment. */
interface Scheduled {
  deployment: Deployment
  trigger: ScheduleView
}

export const schedules: Command = {
  usage: 'schedules [action] [name] [schedule]',
  describe: 'Functions that run at set times: list them, run one now, pause or resume it',
  options: yargs =>
    yargs
      .positional('action', { choices: ['list', 'run', 'pause', 'resume'] as const, default: 'list' as const })
      .positional('name', { type: 'string', describe: 'Deployment name' })
      .positional('schedule', { type: 'string', describe: 'Its name or times, if the function has several' }),
  run: async (args, context) => {
    const client = await context.connect()
    const name = args['name'] as string | undefined
    if (args['action'] === 'list') return list(await schedulesOf(client, name), context)
    if (name === undefined) {
      throw new RyoFaasError('INVALID_OPTION', `schedules ${String(args['action'])} needs the name of a deployment`)
    }
    const chosen = choose(name, await schedulesOf(client, name), args['schedule'] as string | undefined)
    if (args['action'] === 'run') return runNow(chosen, client, context)
    const isPaused = args['action'] === 'pause'
    const params = { name: chosen.deployment.name, key: chosen.trigger.key }
    context.output.value(await client.call('pause', { params, body: { isPaused } }))
    context.output.line(`${chosen.deployment.name}: ${chosen.trigger.label} ${isPaused ? 'is paused' : 'runs again'}`)
  },
}

async function schedulesOf(client: AgentClient, name: string | undefined): Promise<Scheduled[]> {
  const deployments =
    name === undefined
      ? (await client.call('deployments', {})).deployments
      : [await client.call('deployment', { params: { name } })]
  return deployments.flatMap(deployment =>
    deployment.triggers.flatMap(trigger => (trigger.kind === 'schedule' ? [{ deployment, trigger }] : [])),
  )
}

function list(unsorted: Scheduled[], { output }: Context): void {
  const all = unsorted.toSorted((a, b) => (a.trigger.nextAt ?? '9').localeCompare(b.trigger.nextAt ?? '9'))
  output.value(all.map(({ deployment, trigger }) => ({ name: deployment.name, ...trigger })))
  if (all.length === 0) return output.note('nothing is scheduled; "schedule" in deploy.json does that')
  output.table(
    ['NAME', 'SCHEDULE', 'NEXT'],
    all.map(({ deployment, trigger }) => [deployment.name, trigger.label, nextRun(trigger)]),
  )
}

function choose(name: string, all: Scheduled[], wanted: string | undefined): Scheduled {
  const labels = all.map(({ trigger }) => `"${trigger.label}"`).join(', ')
  const [first, second] = wanted === undefined ? all : all.filter(({ trigger }) => trigger.label === wanted)
  if (first === undefined) {
    throw new RyoFaasError(
      'INVALID_OPTION',
      wanted === undefined || labels === '' ? `${name} has no schedule` : `${name} has no schedule "${wanted}"`,
      labels === '' ? {} : { hint: `It has: ${labels}` },
    )
  }
  if (second === undefined) return first
  throw new RyoFaasError('INVALID_OPTION', `${name} has several schedules: say which`, { hint: `It has: ${labels}` })
}

/** As the clock would call it, except that it does not count for the schedule. */
async function runNow({ deployment, trigger }: Scheduled, client: AgentClient, { output }: Context): Promise<void> {
  const params = { name: deployment.name, key: trigger.key }
  const accepted = await client.call('runSchedule', { params })
  output.value(accepted)
  output.line(accepted.callId)
  output.note(`ryo-faas calls show ${accepted.callId}`)
}
