/** What can be done with a schedule: its row in the list of functions, or the user's choice among those of one. */
import { RyoFaasError, type DeploymentView, type TriggerView } from 'ryo-faas/contract'
import type { TreeNode } from '../tree/node.ts'
import { defineCommand, type Needs } from './command.ts'
import { deploymentOf, type ForDeployment } from './target.ts'

type ForSchedule = ForDeployment & Needs<'link' | 'ui'>
type ScheduleView = Extract<TriggerView, { kind: 'schedule' }>

export const runSchedule = defineCommand({
  id: 'ryo-faas.runSchedule',
  needsTrust: false,
  row: true,
  run: async (parts: ForSchedule, argument) => {
    const { name, schedule } = await scheduleOf(parts, argument, () => true)
    const params = { name, key: schedule.key }
    await parts.ui.progress(`Running ${schedule.label} of ${name}`, async ({ signal }) =>
      (await parts.link.client()).call('runSchedule', { params }, signal),
    )
    parts.ui.say(`${schedule.label} of ${name} was called.`)
  },
})

export const pauseSchedule = defineCommand({
  id: 'ryo-faas.pauseSchedule',
  needsTrust: false,
  row: true,
  run: (parts: ForSchedule, argument) => pause(parts, argument, true),
})

export const resumeSchedule = defineCommand({
  id: 'ryo-faas.resumeSchedule',
  needsTrust: false,
  row: true,
  run: (parts: ForSchedule, argument) => pause(parts, argument, false),
})

async function pause(parts: ForSchedule, argument: unknown, isPaused: boolean): Promise<void> {
  const found = await scheduleOf(parts, argument, schedule => (schedule.isPaused ?? false) !== isPaused)
  const { name, schedule } = found
  const input = { params: { name, key: schedule.key }, body: { isPaused } }
  await parts.ui.progress(`${isPaused ? 'Pausing' : 'Resuming'} ${schedule.label} of ${name}`, async ({ signal }) =>
    (await parts.link.client()).call('pause', input, signal),
  )
  await parts.link.refresh()
}

/** @throws RyoFaasError CANCELLED, DEPLOYMENT_NOT_FOUND; HANDLER_NOT_FOUND if it has none like that */
async function scheduleOf(
  parts: ForSchedule,
  argument: unknown,
  isMeant: (schedule: ScheduleView) => boolean,
): Promise<{ name: string; schedule: ScheduleView }> {
  const { subject } = (argument ?? {}) as Partial<TreeNode>
  const deployment = await deploymentOf(parts, argument)
  const all = schedulesOf(deployment)
  const { name } = deployment
  if (subject?.kind === 'schedule') {
    const schedule = all.find(({ key }) => key === subject.key)
    if (schedule !== undefined) return { name, schedule }
  }
  const meant = all.filter(isMeant)
  if (meant.length === 0) throw new RyoFaasError('HANDLER_NOT_FOUND', `"${name}" has no such schedule`)
  if (meant.length === 1) return { name, schedule: meant[0]! }
  const items = meant.map(schedule => ({ label: schedule.label, description: schedule.nextAt ?? '', schedule }))
  return { name, schedule: (await parts.ui.pick(items, `Which schedule of ${name}?`)).schedule }
}

function schedulesOf({ triggers }: DeploymentView): ScheduleView[] {
  return triggers.filter(trigger => trigger.kind === 'schedule')
}
