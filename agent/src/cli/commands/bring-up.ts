/** Brings up the platform of a home, and waits until it is ready. Loads no schemas. */
import { readFile, rm } from 'node:fs/promises'
import { homePaths, type AgentClient, type AgentFile } from '../../client/index.ts'
import { RyoFaasError, type ErrorBody, type PlatformView } from '../../contract/index.ts'
import type { LaunchedAgent } from '../context.ts'
import type { Output } from '../output.ts'
import { PlatformChanges } from '../platform-changes.ts'

const START_TIMEOUT_MS = 300_000
/** The keeper needs half a minute to be sure. */
const REPLACED_MS = 60_000

export interface BringUp {
  home: string
  output: Output
  /** Aborts on Ctrl-C. */
  signal: AbortSignal
  /** What the agent says, if it responds; `hung` if it accepts the request and does not. */
  look(): Promise<PlatformView | 'hung' | undefined>
  /** The agent that has announced itself. */
  found(): Promise<AgentFile | undefined>
  connect(): Promise<Pick<AgentClient, 'stream'>>
  launchAgent(report: (doing: string) => void): Promise<LaunchedAgent>
  agentGone(agent: AgentFile): Promise<unknown>
}

/**
 * Resolves when the platform is ready. One that is already starting is waited for; one that is stopping must be gone
 * first, or the two would take each other's options and ports.
 */
export async function bringUp(context: BringUp): Promise<PlatformView> {
  const { agentLog, startFailure } = homePaths(context.home)
  const progress = context.output.progress('starting the agent')
  const changes = new PlatformChanges(() => context.connect())
  const deadline = performance.now() + START_TIMEOUT_MS
  let launched: LaunchedAgent | undefined
  let ending: AgentFile | undefined
  let hungSince: number | undefined
  let isAgain = false
  try {
    for (;;) {
      if (context.signal.aborted)
        throw new RyoFaasError('CANCELLED', 'cancelled; run "ryo-faas stopFaas" to stop what has started')
      const seen = await context.look()
      const found = await context.found()
      if (seen === 'hung') {
        progress.update('the agent is not responding: waiting for its keeper to replace it')
        if (performance.now() - (hungSince ??= performance.now()) < REPLACED_MS) continue
        throw new RyoFaasError('PART_FAILED', `the agent (pid ${found?.pid}) is running but not responding`, {
          hint: `See ${agentLog}. ryo-faas stopFaas --force kills it.`,
        })
      }
      hungSince = undefined
      const platform = seen
      switch (platform?.phase.kind) {
        case 'ready':
          return platform
        case 'starting':
          progress.update(platform.phase.doing)
          break
        case 'stopping':
          progress.update('waiting for the platform to finish stopping')
          ending = found ?? ending
          break
        case 'failed': // Ours is about to say why; another one is about to exit, and then we start ours.
          ending = found ?? ending
          break
        case undefined: // No agent responds.
          break
      }
      const failure = launched && (await readStartFailure(startFailure))
      if (failure) throw failure
      if (launched?.state() === 'failed' && !platform && !found) {
        throw new RyoFaasError('PART_FAILED', 'the agent exited immediately', { hint: `See ${agentLog}` })
      }
      // Killed before there was a keeper to bring it back.
      const isKilled = launched?.state() === 'failed' && found !== undefined && !isAgain
      if (!platform && (!launched || isKilled || (launched.state() === 'gave-way' && !found))) {
        isAgain = launched !== undefined
        if (ending !== undefined) await context.agentGone(ending)
        await rm(startFailure, { force: true })
        launched = await context.launchAgent(doing => progress.update(doing))
      }
      if (performance.now() > deadline) {
        throw new RyoFaasError('PART_FAILED', 'the platform did not start in time', { hint: `See ${agentLog}` })
      }
      await changes.next(platform !== undefined)
    }
  } finally {
    changes.close()
    progress.stop()
  }
}

async function readStartFailure(path: string): Promise<RyoFaasError | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : RyoFaasError.fromBody(JSON.parse(text) as ErrorBody)
}
