/** Asynchronous calls that wait, run, or have failed for good. */
import type { CallView } from 'ryo-faas/contract'
import { formatAge, plural } from '../ui/format.ts'
import type { TreeNode } from './node.ts'

export interface CallLists {
  queued: CallView[]
  running: CallView[]
  dead: CallView[]
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
