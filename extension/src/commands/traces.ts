/** From a function, a call or a log line to its traces. */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from 'ryo-faas/contract'
import { fileOfFrame } from '../logs/line-text.ts'
import type { OpenedFrame } from '../traces/dashboard-panel.ts'
import type { TreeNode } from '../tree/node.ts'
import { defineCommand, type Needs } from './command.ts'
import { deploymentOf, mustRun, showFile, type ForDeployment } from './target.ts'

export const openDashboard = defineCommand({
  id: 'ryo-faas.openDashboard',
  needsTrust: false,
  run: (parts: Needs<'dashboard'>) => parts.dashboard.show('/'),
})

export const showTraces = defineCommand({
  id: 'ryo-faas.showTraces',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment & Needs<'dashboard'>, argument) => {
    const { name } = await deploymentOf(parts, argument)
    await parts.dashboard.show(`/traces?${new URLSearchParams({ function: name }).toString()}`)
  },
})

export const showSlowestCall = defineCommand({
  id: 'ryo-faas.showSlowestCall',
  needsTrust: false,
  row: true,
  run: async (parts: ForDeployment & Needs<'link' | 'dashboard'>, argument) => {
    const { name } = await deploymentOf(parts, argument)
    const client = await parts.link.client()
    const { traces } = await client.call('traces', { query: { function: name, order: 'slowest', limit: 1 } })
    const [slowest] = traces
    if (slowest === undefined) {
      throw new RyoFaasError('TRACE_NOT_FOUND', `no call of "${name}" was recorded`, {
        hint: 'Call it, then try again.',
      })
    }
    await parts.dashboard.show(`/trace/${slowest.traceId}`)
  },
})

/** A trace by its id, by the id of a call, or for a row of the calls. */
export const showTrace = defineCommand({
  id: 'ryo-faas.showTrace',
  needsTrust: false,
  row: true,
  run: async (parts: Needs<'ui' | 'link' | 'dashboard'>, argument) => {
    await parts.link.refresh()
    mustRun(parts)
    const id = idOf(argument) ?? (await askForId(parts))
    await parts.dashboard.show(`/trace/${await traceIdOf(parts, id)}`)
  },
})

/** How long a trace may be on its way: parts send what they have several times a second. */
const UNDER_WAY = { tries: 8, everyMs: 250 }

/** @throws RyoFaasError TRACE_NOT_FOUND */
async function traceIdOf({ link }: Needs<'link'>, id: string): Promise<string> {
  const client = await link.client()
  for (let tries = 1; ; tries += 1) {
    try {
      return (await client.call('trace', { params: { id } })).traceId
    } catch (error) {
      const isUnderWay = error instanceof RyoFaasError && error.code === 'TRACE_NOT_FOUND'
      if (!isUnderWay || tries === UNDER_WAY.tries) throw error
      await delay(UNDER_WAY.everyMs)
    }
  }
}

function idOf(argument: unknown): string | undefined {
  if (typeof argument === 'string') return argument
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  return subject?.kind === 'call' ? subject.id : undefined
}

async function askForId({ ui }: Needs<'ui'>): Promise<string> {
  const prompt = 'Trace, call or request ID (a prefix is enough)'
  return (await ui.ask({ title: 'Show Trace', prompt })).trim()
}

/** Opens what was clicked in the stack trace of a span. */
export async function openFrame(
  { editor, link }: Needs<'editor' | 'link'>,
  { service, path, line, column }: OpenedFrame,
): Promise<void> {
  const deployment = link.deployment(service)
  const file = deployment && fileOfFrame(path, deployment.filePath)
  if (file === undefined)
    throw new RyoFaasError('INVALID_REQUEST', `${path} was not found in the project of "${service}"`)
  const at = new editor.Position(Math.max(0, line - 1), Math.max(0, column - 1))
  await showFile({ editor }, file, new editor.Range(at, at))
}
