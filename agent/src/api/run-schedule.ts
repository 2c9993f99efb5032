/** A call as a schedule makes it, now, except that it does not count for the schedule: queued at the proxy. */
import { CLOUD_EVENT_TYPE, EVENTS_PREFIX, FUNCTIONS_PREFIX, SCHEDULED_KEY } from '@ryo-faas/runtime/protocol'
import { scheduleEvent } from '@ryo-faas/runtime/schedules'
import { z } from 'zod'
import { ListenerClient } from '../client/index.ts'
import { RyoFaasError, type DeploymentView, type TriggerView } from '../contract/index.ts'

type ScheduleView = Extract<TriggerView, { kind: 'schedule' }>

const Accepted = z.object({ callId: z.string() })

/**
 * @param proxy where the call is queued, as the operator
 * @param now of the clock that schedules follow
 * @throws RyoFaasError HANDLER_NOT_FOUND, NOT_RUNNING; INVALID_REQUEST if the call was not accepted
 */
export async function runSchedule(
  { name, route, triggers }: Pick<DeploymentView, 'name' | 'route' | 'triggers'>,
  key: string,
  { proxy, now }: { proxy: { url: string; token: string }; now: number },
): Promise<{ callId: string }> {
  const trigger = triggers.find((each): each is ScheduleView => each.kind === 'schedule' && each.key === key)
  if (trigger === undefined) throw new RyoFaasError('HANDLER_NOT_FOUND', `${name} has no such schedule`)
  const { path, headers, body } = requestOf(trigger, now)
  const unreachable = (message: string, cause: unknown) => new RyoFaasError('NOT_RUNNING', message, { cause })
  const client = new ListenerClient({ ...proxy, name: 'the proxy', unreachable })
  const response = await client.send('POST', FUNCTIONS_PREFIX + route + path, {
    headers: { prefer: 'respond-async', ...headers },
    ...(body !== undefined && { body }),
    tokenIn: 'proxy-authorization',
  })
  const text = await response.text()
  if (response.status === 202) return Accepted.parse(JSON.parse(text))
  throw new RyoFaasError('INVALID_REQUEST', `the call was not accepted: ${response.status} ${text}`)
}

function requestOf({ schedule, label, isEvent }: ScheduleView, now: number) {
  const headers = { 'x-schedule': label, 'x-scheduled-at': new Date(now).toISOString() }
  if (isEvent) {
    const typed = { ...headers, 'content-type': CLOUD_EVENT_TYPE }
    return { path: EVENTS_PREFIX + SCHEDULED_KEY, headers: typed, body: scheduleEvent(schedule, now) }
  }
  const { path, body } = schedule
  if (body === undefined) return { path, headers, body: undefined }
  return { path, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
