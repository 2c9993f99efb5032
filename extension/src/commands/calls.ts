/** What can be done with asynchronous calls. */
import { RyoFaasError } from 'ryo-faas/contract'
import { CallsClient } from 'ryo-faas/client'
import { plural } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'
import { defineCommand, type Needs } from './command.ts'
import { confirmOnServer } from './server.ts'

const TIMEOUT_MS = 10_000

export const showCall = defineCommand({
  id: 'ryo-faas.showCall',
  needsTrust: false,
  run: ({ invoker }: Needs<'invoker'>, argument) => invoker.showCall(idOf(argument)),
})

export const redriveCall = defineCommand({
  id: 'ryo-faas.redriveCall',
  needsTrust: false,
  row: true,
  run: async ({ link, calls }: Needs<'link' | 'calls'>, argument) => {
    await clientOf(link).redrive(idOf(argument))
    calls.refresh()
  },
})

export const redriveAllCalls = defineCommand({
  id: 'ryo-faas.redriveAllCalls',
  needsTrust: false,
  run: async ({ link, calls, ui }: Needs<'link' | 'calls' | 'ui'>) => {
    const count = await clientOf(link).redriveDead()
    calls.refresh()
    ui.say(count === 0 ? 'No dead calls.' : `Retrying ${plural(count, 'dead call')}.`)
  },
})

export const cancelCall = defineCommand({
  id: 'ryo-faas.cancelCall',
  needsTrust: false,
  row: true,
  run: async ({ link, calls, ui }: Needs<'link' | 'calls' | 'ui'>, argument) => {
    const id = idOf(argument)
    await confirmOnServer({ link, ui }, { question: 'Cancel the call', button: 'Cancel Call' })
    await clientOf(link).cancel(id)
    calls.refresh()
  },
})

function clientOf(link: Needs<'link'>['link']): CallsClient {
  const { proxy } = link
  if (proxy === undefined) throw link.notRunning()
  return new CallsClient(proxy, AbortSignal.timeout(TIMEOUT_MS))
}

function idOf(argument: unknown): string {
  if (typeof argument === 'string') return argument
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  if (subject?.kind === 'call') return subject.id
  throw new RyoFaasError('INVALID_REQUEST', 'choose a call in the Calls view')
}
