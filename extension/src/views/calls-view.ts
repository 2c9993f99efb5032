/** Asynchronous calls that are queued, running or dead. */
import { CallsClient, type Door } from 'ryo-faas/client'
import type { CallView } from 'ryo-faas/contract'
import { formatAge, plural } from '../editor/format.ts'
import type { TreeNode } from '../tree/node.ts'

export interface CallLists {
  queued: CallView[]
  running: CallView[]
  dead: CallView[]
}

const NONE: CallLists = { queued: [], running: [], dead: [] }
const TIMEOUT_MS = 5_000
const SHOWN = 100

export async function callLists(proxy: Door | undefined): Promise<CallLists> {
  if (proxy === undefined) return NONE
  const client = new CallsClient(proxy, AbortSignal.timeout(TIMEOUT_MS))
  const list = async (status: keyof CallLists) => (await client.list({ status, limit: SHOWN })).calls
  const [queued, running, dead] = await Promise.all([list('queued'), list('running'), list('dead')])
  return { queued, running, dead }
}

export function callNodes({ queued, running, dead }: CallLists, now: number): TreeNode[] {
  const groups: [string, CallView[], string][] = [
    ['Running', running, 'calls.running'],
    ['Queued', queued, 'calls.queued'],
    ['Dead', dead, 'calls.dead'],
  ]
  return groups.flatMap(([label, calls, context]) =>
    calls.length === 0
      ? []
      : [
          {
            id: context,
            label,
            description: String(calls.length),
            context,
            children: calls.map(call => callNode(call, now)),
          },
        ],
  )
}

function callNode({ id, function: route, status, acceptedAt, attempts, error }: CallView, now: number): TreeNode {
  const facts = [formatAge(acceptedAt, now)]
  if (attempts.length > 0) facts.push(plural(attempts.length, 'attempt'))
  if (error) facts.push(error.code)
  return {
    id: `call ${id}`,
    label: route,
    description: facts.join(' · '),
    spoken: [route, status, ...facts].join(', '),
    tooltip: error ? `${id}\n${error.message}` : id,
    icon:
      status === 'dead'
        ? { name: 'error', color: 'testing.iconFailed' }
        : { name: status === 'running' ? 'sync~spin' : 'clock' },
    context: `call.${status}`,
    subject: { kind: 'call', id },
    command: { id: 'ryo-faas.showCall', title: 'Show the call' },
  }
}
