import { setTimeout as delay } from 'node:timers/promises'
import { AgentClient, homePaths, isHangingListener, readAgentFile, type AgentFile } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command, Context } from '../context.ts'
import type { Progress } from '../output.ts'
import { startFaas } from './start-faas.ts'

const AGENT_RETURN_MS = 15_000

export const stopFaas: Command = {
  usage: 'stopFaas',
  describe: 'Stop every function and part, and list what was stopped; data is kept',
  place: 'here',
  options: yargs =>
    yargs
      .option('prune', { type: 'boolean', default: false, describe: 'Also remove images and all data' })
      .option('force', { type: 'boolean', default: false, describe: 'Kill whatever does not respond' })
      .option('yes', YES),
  run: async (args, context) => {
    const isPruning = args['prune'] === true
    const question = 'Remove all functions, images, documents and secrets of this home?'
    if (isPruning) await confirm(question, args['yes'] === true, context)
    await stop(context, { isPruning, isForced: args['force'] === true })
  },
}

interface Stopping {
  isPruning: boolean
  isForced: boolean
}

/** Data is kept. */
export function stopPlatform(context: Context): Promise<void> {
  return stop(context, { isPruning: false, isForced: false })
}

async function stop(context: Context, { isPruning, isForced }: Stopping): Promise<void> {
  const { output } = context
  const found = await readAgentFile(context.home)
  if (!found) {
    const isRemoved = isPruning && (await context.removeStopped())
    output.value({ stopped: [] })
    return output.line(isRemoved ? 'nothing is running; images and data were removed' : 'nothing is running')
  }
  const progress = output.progress('stopping')
  let stopped: string[] | undefined
  try {
    stopped = await askToStop(context, { found: found.agent, isPruning, progress })
  } catch (error) {
    progress.stop()
    await agreeToForce(error, isForced, context)
    stopped = await context.endByForce()
    if (isPruning) await context.removeStopped()
  } finally {
    progress.stop()
  }
  // Someone else stopped it first; with --prune, what is left is removed as in any stopped home.
  if (!stopped) return stop(context, { isPruning, isForced })
  output.value({ stopped })
  output.line(`stopped: ${stopped.join(', ')}`)
  output.line(isPruning ? 'images and data were removed' : 'data is kept; startFaas resumes everything')
}

/** @returns undefined if someone else was already stopping it; by then it has stopped */
async function askToStop(
  context: Context,
  { found, isPruning, progress }: { found: AgentFile; isPruning: boolean; progress: Progress },
): Promise<string[] | undefined> {
  let stopped: string[] | undefined
  const client = await reachAgent(context, progress)
  // The agent we reached may be the successor of the one that was found.
  const agent = (await readAgentFile(context.home))?.agent ?? found
  try {
    stopped = (await client?.call('shutdown', { body: { prune: isPruning } }))?.stopped
  } catch (error) {
    const isCutOff = error instanceof RyoFaasError && error.code === 'NOT_RUNNING'
    // When two ask at once, the exit that the first one caused may cut off the second one's answer.
    if (!isCutOff || isHangingListener(error) || !(await hasStopped(context, agent))) throw error
  }
  // It answers a moment before it exits; an immediate restart must not meet it.
  await context.agentGone(agent)
  return stopped
}

/** @throws `error`, unless the user agrees to kill everything */
async function agreeToForce(error: unknown, isForced: boolean, context: Context): Promise<void> {
  if (context.signal.aborted) throw error
  if (isForced) return
  // The agent that was to stop it cannot even start.
  if (!isHangingListener(error)) throw withHint(error)
  if (context.stdin.isTTY && !context.output.json) {
    return confirm('The agent is not responding. Kill it and every other part of the platform?', false, context)
  }
  throw new RyoFaasError('NOT_RUNNING', (error as Error).message, {
    hint: 'ryo-faas stopFaas --force kills it and every other part.',
    cause: error,
  })
}

/** Adds the last resort to what went wrong. */
function withHint(error: unknown): RyoFaasError {
  const failure = RyoFaasError.from(error)
  if (failure.hint?.includes('--force')) return failure
  const hint = [failure.hint, 'ryo-faas stopFaas --force kills whatever is still running.'].filter(Boolean).join('\n  ')
  return new RyoFaasError(failure.code, failure.message, { ...failure.toBody(), hint, cause: error })
}

/**
 * An agent that was killed comes back by itself; if its keeper died with it, a new one takes over first.
 * @returns undefined if someone else was already stopping the platform; by then it has stopped
 */
async function reachAgent(context: Context, progress: Progress): Promise<AgentClient | undefined> {
  const { home, signal } = context
  const deadline = performance.now() + AGENT_RETURN_MS
  for (let restarted = false; ;) {
    if (!(await readAgentFile(home))) return undefined
    try {
      const client = await AgentClient.connect(home, { signal })
      const { phase } = await client.call('platform', {})
      if (phase.kind === 'ready') return client
      if (phase.kind === 'stopping') {
        progress.update('already being stopped: waiting for running calls to finish')
      } else if (performance.now() > deadline) {
        throw new RyoFaasError('PART_FAILED', `the agent is stuck in phase "${phase.kind}"`, {
          hint: `See ${homePaths(home).agentLog}. ryo-faas stopFaas --force kills it.`,
        })
      }
    } catch (error) {
      if (!(error instanceof RyoFaasError) || error.code !== 'NOT_RUNNING' || isHangingListener(error)) throw error
      if (performance.now() > deadline - AGENT_RETURN_MS / 2 && !restarted) {
        restarted = true
        await startFaas.run({}, quiet(context))
      }
      if (performance.now() > deadline) throw error
    }
    await delay(50)
  }
}

async function hasStopped({ home, agentGone }: Context, agent: AgentFile): Promise<boolean> {
  await agentGone(agent)
  return (await readAgentFile(home)) === undefined
}

function quiet<T extends { output: unknown }>(context: T): T {
  const silence = { line: () => undefined, value: () => undefined, table: () => undefined, note: () => undefined }
  const progress = () => ({ update: () => undefined, stop: () => undefined })
  return { ...context, output: Object.assign(Object.create(context.output as object) as object, silence, { progress }) }
}
