/** What is deployed. */
import { z } from 'zod'
import { ClockView } from '../clock.ts'
import { DeploymentView } from '../deployment.ts'
import { LogLine } from '../events.ts'
import { MAX_INSTANCES } from '../scale.ts'
import { ScheduleLine, StartFrom } from '../trigger.ts'
import type { ApiRoute } from './api-route.ts'

const byName = z.object({ name: z.string().min(1) })

export const DEPLOYMENTS_API = {
  deployments: {
    method: 'GET',
    path: '/v1/deployments',
    needs: { role: 'read', scope: 'filtered' },
    response: z.object({ deployments: z.array(DeploymentView) }),
    summary: 'Every deployment',
  },
  deployment: {
    method: 'GET',
    path: '/v1/deployments/:name',
    needs: { role: 'read', scope: 'named' },
    params: byName,
    response: DeploymentView,
    summary: 'One deployment',
  },
  scale: {
    method: 'PATCH',
    path: '/v1/deployments/:name',
    needs: { role: 'deploy', scope: 'named' },
    params: byName,
    body: z.object({
      instances: z
        .union([z.int().min(0).max(MAX_INSTANCES), z.literal('auto')], {
          error: ({ input }) =>
            input === undefined ? 'is missing' : `must be "auto" or a number from 0 to ${MAX_INSTANCES}`,
        })
        .describe('A fixed number; 0: asleep until it is called; auto: as deploy.json says'),
    }),
    response: DeploymentView,
    isLong: true,
    summary: 'Set the number of instances, or let it follow the calls; responds when they are ready',
  },
  rollback: {
    method: 'POST',
    path: '/v1/deployments/:name/rollback',
    needs: { role: 'deploy', scope: 'named' },
    params: byName,
    body: z.object({ version: z.int().min(1).optional() }),
    response: DeploymentView,
    isLong: true,
    summary: 'Go back to an earlier version without rebuilding',
  },
  replay: {
    method: 'POST',
    path: '/v1/deployments/:name/replay',
    needs: { role: 'deploy', scope: 'named' },
    params: byName,
    body: z.object({
      from: StartFrom,
      handler: z.string().optional().describe('Key of one handler of a service; default: all'),
    }),
    response: DeploymentView,
    isLong: true,
    summary: 'Replay triggers from an earlier document event',
  },
  pause: {
    method: 'PUT',
    path: '/v1/deployments/:name/schedules/:key',
    needs: { role: 'deploy', scope: 'named' },
    params: byName.extend({
      key: z.string().min(1).describe('Key of the schedule, as its trigger in the view has it'),
    }),
    body: z.object({ isPaused: z.boolean() }),
    response: DeploymentView,
    isLong: true,
    summary: 'Pause a schedule, or let it run again from now on',
  },
  schedules: {
    method: 'GET',
    path: '/v1/schedules',
    needs: { role: 'read', scope: 'filtered' },
    response: z.object({ clock: ClockView, schedules: z.array(ScheduleLine) }),
    summary: 'All schedules and when they run next, the next one first',
  },
  runSchedule: {
    method: 'POST',
    path: '/v1/deployments/:name/schedules/:key/run',
    needs: { role: 'deploy', scope: 'named' },
    params: byName.extend({
      key: z.string().min(1).describe('Key of the schedule, as its trigger in the view has it'),
    }),
    response: z.object({ callId: z.string() }),
    summary: 'Queue a call as the schedule makes it, now; it does not count for the schedule',
  },
  stop: {
    method: 'DELETE',
    path: '/v1/deployments/:name',
    needs: { role: 'deploy', scope: 'named' },
    params: byName,
    response: z.object({ name: z.string() }),
    isLong: true,
    summary: 'Drain and remove a deployment',
  },
  logs: {
    method: 'GET',
    path: '/v1/deployments/:name/logs',
    needs: { role: 'read', scope: 'named' },
    params: byName,
    query: z.object({
      follow: z.stringbool().default(false),
      since: z.iso.datetime().optional(),
      tail: z.coerce.number().int().min(0).max(100_000).default(1000),
    }),
    response: LogLine,
    stream: true,
    summary: 'Output of a deployment, interleaved over instances',
  },
} as const satisfies Record<string, ApiRoute>
