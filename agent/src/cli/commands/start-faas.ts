import { setTimeout as delay } from 'node:timers/promises'
import { AgentClient, homePaths, readAgentFile } from '../../client/index.ts'
import { ErrorBody, RyoFaasError, type PlatformView } from '../../contract/index.ts'
import { readFile, rm } from 'node:fs/promises'
import type { Command, Context } from '../context.ts'
import { formatDuration } from '../output.ts'
import { printPlatform } from './platform-table.ts'

const POLL_MS = 20
const START_TIMEOUT_MS = 300_000

export const startFaas: Command = {
  usage: 'startFaas',
  describe: 'Start the platform: agent, NATS, proxy and every deployed function',
  run: async (args, context) => {
    const begin = performance.now()
    const running = await runningPlatform(context)
    if (running) return report(running, 'already runs', context)

    await rm(homePaths(context.home).startFailure, { force: true })
    const agent = await context.launchAgent(args)
    const platform = await untilReady(context, agent.hasFailed)
    report(platform, `started in ${formatDuration(performance.now() - begin)}`, context)
  },
}

/** The platform of this home if its agent answers. */
export async function runningPlatform(context: Context): Promise<PlatformView | undefined> {
  const found = await readAgentFile(context.home)
  if (!found) return undefined
  try {
    return await new AgentClient({ url: found.agent.url, token: found.token }).call('platform', {})
  } catch (error) {
    if (error instanceof RyoFaasError && error.code === 'NOT_RUNNING') return undefined
    throw error
  }
}

async function untilReady(context: Context, hasFailed: () => boolean): Promise<PlatformView> {
  const progress = context.output.progress('starting the agent')
  const deadline = Date.now() + START_TIMEOUT_MS
  try {
    for (;;) {
      if (context.signal.aborted)
        throw new RyoFaasError('CANCELLED', 'cancelled; "ryo-faas stopFaas" ends what has started')
      const platform = await runningPlatform(context)
      if (platform?.phase.kind === 'ready') return platform
      if (platform?.phase.kind === 'starting') progress.update(platform.phase.doing)
      const failure = await startFailure(context.home)
      if (failure) throw failure
      if (hasFailed() && !platform && !(await readAgentFile(context.home))) {
        throw new RyoFaasError('PART_FAILED', 'the agent exited at once', {
          hint: `Its log is ${homePaths(context.home).agentLog}`,
        })
      }
      if (Date.now() > deadline) {
        throw new RyoFaasError('PART_FAILED', 'the platform did not start in time', {
          hint: `The log is ${homePaths(context.home).agentLog}`,
        })
      }
      await delay(POLL_MS)
    }
  } finally {
    progress.stop()
  }
}

async function startFailure(home: string): Promise<RyoFaasError | undefined> {
  const text = await readFile(homePaths(home).startFailure, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : RyoFaasError.fromBody(ErrorBody.parse(JSON.parse(text)))
}

function report(platform: PlatformView, how: string, context: Context): void {
  const { output } = context
  output.value(platform)
  output.line(`ryo-faas ${platform.version}, project ${platform.project}, ${how}`)
  output.line(`engine: ${platform.engineNote}`)
  output.line()
  printPlatform(platform, output)
}
