import { AgentClient, isHangingListener, readAgentFile } from '../../client/index.ts'
import { compareVersions, RyoFaasError, type PlatformView } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command, Context } from '../context.ts'
import { formatDuration } from '../output.ts'
import { bringUp as bringUpWith } from './bring-up.ts'
import { printStarted } from './platform-table.ts'

/** What may be another one when a platform takes over: functions move to the other engine while they are called. */
const MOVABLE = ['--engine', '--registry']

export const startFaas: Command = {
  usage: 'startFaas',
  describe: 'Start the platform: agent, NATS, proxy and every deployed function',
  place: 'here',
  examples: [
    ['startFaas', 'with Docker if it is running, otherwise as processes'],
    ['startFaas --engine process --port 8080', 'without containers, on another port'],
    ['startFaas --take-over --engine swarm', 'from one machine to several, while functions are called'],
  ],
  takesPlatformFlags: true,
  options: yargs =>
    yargs.option('yes', { ...YES, describe: 'Install nats-server if it is missing (as root)' }).option('take-over', {
      type: 'boolean',
      default: false,
      describe:
        'Let this release take the place of the one that runs, also with another --engine; functions and calls go on',
    }),
  run: async (args, context) => {
    const begin = performance.now()
    const running = await runningPlatform(context)
    if (running?.phase.kind === 'ready') {
      const mayTakeOver = args['takeOver'] === true
      await requireSame(args, context, mayTakeOver ? MOVABLE : [])
      if (mayTakeOver) return takeOver(running, args, context)
      return printStarted(running, 'is already running', context.output)
    }

    const platform = await bringUp(context, args).catch(async (error: unknown) => {
      await agreeToInstall(error, context)
      return bringUp(context, { ...args, yes: true })
    })
    printStarted(platform, `started in ${formatDuration(performance.now() - begin)}`, context.output)
  },
}

/** With this release in the place of the one that runs: it adopts what runs, and replaces the parts one by one. */
async function takeOver(running: PlatformView, args: Record<string, unknown>, context: Context): Promise<void> {
  const begin = performance.now()
  const platform = await replace(running, args, context)
  const how = platform.engine === running.engine ? '' : `, on ${platform.engine} instead of ${running.engine},`
  const took = formatDuration(performance.now() - begin)
  printStarted(platform, `took over from ${running.version}${how} in ${took}`, context.output)
}

/** Lets the platform of this machine, if it is ready, take over from itself on this engine. */
export async function moveTo(engine: string, context: Context): Promise<PlatformView | undefined> {
  const running = await runningPlatform(context)
  return running?.phase.kind === 'ready' ? replace(running, { engine }, context) : undefined
}

async function replace(running: PlatformView, args: Record<string, unknown>, context: Context): Promise<PlatformView> {
  if (compareVersions(running.version, context.version) > 0) {
    throw new RyoFaasError('UNSUPPORTED', `ryo-faas ${running.version} runs, newer than ${context.version} here`, {
      hint: 'An older release does not understand its data. To go back: stopFaas, then restore a backup that the older release made (ryo-faas restore FILE --replace).',
    })
  }
  const { engine, registry } = args
  const moved = { ...(engine !== undefined && { engine }), ...(registry !== undefined && { registry }) }
  const before = await context.requireEngine(moved)
  await context.endAgent()
  return bringUp(context, moved).catch(async (error: unknown) => {
    // What ran goes on running where it is, and needs its agent.
    await bringUp(context, before)
    throw error
  })
}

/** @throws RyoFaasError ALREADY_RUNNING if the platform that runs was started with other options */
async function requireSame(
  flags: Record<string, unknown>,
  context: Context,
  may: readonly string[] = [],
): Promise<void> {
  const differing = (await context.differingFlags(flags)).filter(flag => !may.includes(flag))
  if (differing.length === 0) return
  throw new RyoFaasError('ALREADY_RUNNING', `ryo-faas is already running with a different ${differing.join(', ')}`, {
    hint: 'Run ryo-faas stopFaas first; functions and data are kept.',
  })
}

/**
 * Starts the platform of this home if none is running; one that is starting is waited for.
 * @throws RyoFaasError ALREADY_RUNNING if it runs with other options than `flags`
 */
export async function ensureRunning(context: Context, flags?: Record<string, unknown>): Promise<void> {
  const seen = await lookAt(context)
  if (flags !== undefined && seen !== undefined && seen !== 'hung') await requireSame(flags, context)
  if (seen === 'hung' || seen?.phase.kind === 'ready') return
  const begin = performance.now()
  const { project } = await bringUp(context, flags ?? {})
  if (seen === undefined) {
    context.output.note(`Started ryo-faas, project ${project}, in ${formatDuration(performance.now() - begin)}`)
  }
}

/** Whether no agent responds in this home and none hangs. */
export async function isAbsent(context: Context): Promise<boolean> {
  return (await lookAt(context)) === undefined
}

/** @throws `error`, unless only nats-server is missing and the user lets us install it */
async function agreeToInstall(error: unknown, context: Context): Promise<void> {
  const isRoot = process.getuid?.() === 0
  if (!(error instanceof RyoFaasError && error.code === 'NATS_UNAVAILABLE' && isRoot)) throw error
  if (!context.stdin.isTTY || context.output.json) throw error
  context.output.error(error)
  await confirm('Install nats-server with apt-get now?', false, context)
}

/** The platform of this home, if its agent responds. */
export async function runningPlatform(context: Context): Promise<PlatformView | undefined> {
  const seen = await lookAt(context)
  return seen === 'hung' ? undefined : seen
}

/** The same; `hung` if it accepts the request and does not respond. */
async function lookAt({ home, signal }: Pick<Context, 'home' | 'signal'>): Promise<PlatformView | 'hung' | undefined> {
  const found = await readAgentFile(home)
  if (!found) return undefined
  try {
    return await new AgentClient({ url: found.agent.url, token: found.token, signal }).call('platform', {})
  } catch (error) {
    if (isHangingListener(error)) return 'hung'
    if (error instanceof RyoFaasError && error.code === 'NOT_RUNNING') return undefined
    throw error
  }
}

function bringUp(context: Context, flags: Record<string, unknown>): Promise<PlatformView> {
  return bringUpWith({
    ...context,
    look: () => lookAt(context),
    found: async () => (await readAgentFile(context.home))?.agent,
    launchAgent: report => context.launchAgent(flags, report),
  })
}
