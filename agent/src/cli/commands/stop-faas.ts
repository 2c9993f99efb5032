import { setTimeout as delay } from 'node:timers/promises'
import { AgentClient, homePaths, readAgentFile, type AgentFile } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import type { Progress } from '../output.ts'
import { startFaas } from './start-faas.ts'

const AGENT_RETURN_MS = 15_000

export const stopFaas: Command = {
  usage: 'stopFaas',
  describe: 'Stop every function and part and list what was stopped; data stays',
  options: yargs =>
    yargs.option('prune', { type: 'boolean', default: false, describe: 'Also remove images and all data' }),
  run: async (args, context) => {
    const { output } = context
    const isPruning = args['prune'] === true
    const found = await readAgentFile(context.home)
    if (!found) {
      const isRemoved = isPruning && (await context.removeStopped())
      output.value({ stopped: [] })
      return output.line(isRemoved ? 'nothing runs; images and data were removed' : 'nothing runs')
    }
    const progress = output.progress('stopping')
    let stopped: string[] | undefined
    try {
      const client = await reachAgent(context, progress)
      // Whom we talk to may be the successor of the one that was found.
      const { agent } = (await readAgentFile(context.home)) ?? found
      try {
        stopped = (await client?.call('shutdown', { body: { prune: isPruning } }))?.stopped
      } catch (error) {
        const isCutOff = error instanceof RyoFaasError && error.code === 'NOT_RUNNING'
        // Two who ask at once: the end that the first one caused may cut the second one's answer off.
        if (!isCutOff || !(await hasStopped(context, agent))) throw error
      }
      // The answer comes a moment before its end; who starts again at once must not meet it.
      await context.agentGone(agent)
    } finally {
      progress.stop()
    }
    // Somebody else was faster; what is left, if it was to be removed, is looked for as in any home that was stopped.
    if (!stopped) return stopFaas.run(args, context)
    output.value({ stopped })
    output.line(`stopped: ${stopped.join(', ')}`)
    output.line(isPruning ? 'images and data were removed' : 'data stays; startFaas brings everything back')
  },
}

/**
 * An agent that was killed is coming back by itself; if its keeper died with it, a new one takes over first.
 * @returns undefined if the platform was being stopped already, and has been
 */
async function reachAgent(context: Context, progress: Progress): Promise<AgentClient | undefined> {
  const { home, signal } = context
  const deadline = performance.now() + AGENT_RETURN_MS
  for (let restarted = false; ;) {
    if (!(await readAgentFile(home))) return undefined
    try {
      const client = await AgentClient.connect(home, signal)
      const { phase } = await client.call('platform', {})
      if (phase.kind === 'ready') return client
      if (phase.kind === 'stopping') {
        progress.update('somebody stops it already: waiting until its functions have finished what they began')
      } else if (performance.now() > deadline) {
        throw new RyoFaasError('PART_FAILED', `the agent does not get out of the phase "${phase.kind}"`, {
          hint: `Its log is ${homePaths(home).agentLog}; end it with kill, and stopFaas again.`,
        })
      }
    } catch (error) {
      if (!(error instanceof RyoFaasError) || error.code !== 'NOT_RUNNING') throw error
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
