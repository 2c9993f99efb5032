/** What can be done with asynchronous calls. */
import { RyoFaasError } from 'ryo-faas/contract'
import { CallsClient } from 'ryo-faas/client'
import { plural } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'
import type { Command, Parts } from './parts.ts'

const TIMEOUT_MS = 10_000

export const showCall: Command = async ({ invoker }, argument) => {
  await invoker.showCall(idOf(argument))
}

export const redriveCall: Command = async (parts, argument) => {
  await callsOf(parts).redrive(idOf(argument))
  parts.calls.refresh()
}

export const redriveAllCalls: Command = async parts => {
  const count = await callsOf(parts).redriveDead()
  parts.calls.refresh()
  parts.ui.say(count === 0 ? 'No dead calls.' : `Retrying ${plural(count, 'dead call')}.`)
}

export const cancelCall: Command = async (parts, argument) => {
  await callsOf(parts).cancel(idOf(argument))
  parts.calls.refresh()
}

function callsOf({ link }: Parts): CallsClient {
  const { proxy } = link
  if (proxy === undefined) throw new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running')
  return new CallsClient(proxy, AbortSignal.timeout(TIMEOUT_MS))
}

function idOf(argument: unknown): string {
  if (typeof argument === 'string') return argument
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  if (subject?.kind === 'call') return subject.id
  throw new RyoFaasError('INVALID_REQUEST', 'choose a call in the Calls view')
}
