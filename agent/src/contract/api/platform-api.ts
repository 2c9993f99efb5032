/** The platform as a whole: its parts, its clock, its certificates, what it has measured, its end. */
import { z } from 'zod'
import { Domain } from '../access-rule.ts'
import { ClockView } from '../clock.ts'
import { PlatformEvent } from '../events.ts'
import { MetricsHistory, MetricsHistoryQuery } from '../metrics-history.ts'
import { PlatformView, ResourceView } from '../platform.ts'
import { TracePage, TraceQuery, TraceView } from '../traces.ts'
import type { ApiRoute } from './api-route.ts'

export const PLATFORM_API = {
  platform: {
    method: 'GET',
    path: '/v1/platform',
    needs: { role: 'read', scope: 'filtered' },
    response: PlatformView,
    summary: 'The platform and its parts',
  },
  events: {
    method: 'GET',
    path: '/v1/events',
    needs: { role: 'read', scope: 'filtered' },
    response: PlatformEvent,
    stream: true,
    summary: 'Change signals',
  },
  retryCertificate: {
    method: 'POST',
    path: '/v1/certificates/:domain/retry',
    needs: { role: 'deploy', scope: 'all' },
    params: z.object({ domain: Domain }),
    response: z.object({}),
    summary: 'Try now to get the certificate of a host name by ACME, after a failure',
  },
  clock: {
    method: 'GET',
    path: '/v1/clock',
    needs: { role: 'read', scope: 'filtered' },
    response: ClockView,
    summary: 'The clock that schedules follow',
  },
  setClock: {
    method: 'PUT',
    path: '/v1/clock',
    needs: { role: 'deploy', scope: 'all' },
    body: z.object({
      to: z.iso.datetime({ offset: true }),
      passes: z
        .boolean()
        .default(true)
        .describe('Schedules run at each of their times up to there; false: as if the machine had slept'),
    }),
    response: ClockView,
    isLong: true,
    summary: 'Set a clock of tests forward; responds when the schedules have followed',
  },
  resources: {
    method: 'GET',
    path: '/v1/resources',
    needs: { role: 'read', scope: 'filtered' },
    response: z.object({ resources: z.array(ResourceView) }),
    isLong: true,
    summary: 'Images and containers of this project',
  },
  traces: {
    method: 'GET',
    path: '/traces',
    needs: { role: 'read', scope: 'all' },
    query: TraceQuery,
    response: TracePage,
    summary: 'Recent traces that match',
  },
  trace: {
    method: 'GET',
    path: '/traces/:id',
    needs: { role: 'read', scope: 'all' },
    params: z.object({
      id: z.string().min(1).describe('Trace id or its first digits, a request id, or the id of an asynchronous call'),
    }),
    response: TraceView,
    summary: 'One trace with its spans',
  },
  metricsHistory: {
    method: 'GET',
    path: '/metrics/history',
    needs: { role: 'read', scope: 'all' },
    query: MetricsHistoryQuery,
    response: MetricsHistory,
    summary: 'Calls, errors and percentiles of the last half hour',
  },
  backup: {
    method: 'POST',
    path: '/v1/backup',
    needs: { role: 'admin', scope: 'all' },
    response: z.string().describe('tar, gzip'),
    givesBytes: true,
    isLong: true,
    summary: 'Take a backup of the whole home, with its secrets, while the platform runs',
  },
  prune: {
    method: 'POST',
    path: '/v1/prune',
    needs: { role: 'deploy', scope: 'all' },
    response: z.object({ removed: z.array(z.string()), freedBytes: z.int() }),
    isLong: true,
    summary: 'Remove function images that no version needs any longer',
  },
  reset: {
    method: 'POST',
    path: '/v1/reset',
    needs: { role: 'admin', scope: 'all' },
    response: z.object({ removed: z.array(z.string()) }),
    isLong: true,
    summary: 'Stop and remove every deployment',
  },
  shutdown: {
    method: 'POST',
    path: '/v1/shutdown',
    needs: { role: 'admin', scope: 'all' },
    body: z.object({ prune: z.boolean().default(false) }),
    response: z.object({ stopped: z.array(z.string()) }),
    isLong: true,
    summary: 'Stop every function and part; data is kept',
  },
} as const satisfies Record<string, ApiRoute>
