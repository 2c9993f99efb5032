import { z } from 'zod'
import { Domain } from './access-rule.ts'
import { AuditView } from './audit.ts'
import { KeyView } from './caller-key.ts'
import { ClockView } from './clock.ts'
import { DeploymentView } from './deployment.ts'
import { BuildEvent, DeployEvent, LogLine, PlatformEvent } from './events.ts'
import { MetricsHistory, MetricsHistoryQuery } from './metrics-history.ts'
import { PackagedDeploy, PackageManifest, Sha256 } from './package.ts'
import { PlatformView, ResourceView } from './platform.ts'
import { Problem } from './problem.ts'
import { NamePattern, Role, TokenView, type Need } from './token.ts'
import { MAX_INSTANCES } from './scale.ts'
import { TracePage, TraceQuery, TraceView } from './traces.ts'
import { ScheduleLine, StartFrom } from './trigger.ts'
import { EnvironmentName } from './environment-name.ts'

const settings = {
  environment: EnvironmentName.optional().describe('Environment whose overrides and .env files hold'),
  variables: z
    .record(z.string(), z.string())
    .optional()
    .describe('Variables of the client that the file refers to as ${NAME}'),
}

const byName = z.object({ name: z.string().min(1) })

/**
 * The agent API as data: the server validates with it, the client takes its types from it, the OpenAPI document is made
 * of it. `stream: true` means newline-delimited JSON (`application/x-ndjson`): each line is of the response type, or
 * empty as a heartbeat. Errors are `{"error": ErrorBody}`.
 */
export const API = {
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
  deploy: {
    method: 'POST',
    path: '/v1/deploys',
    // They name files of the machine that the agent runs on.
    needs: { role: 'admin', scope: 'all' },
    body: z.object({
      file: z.string().describe('Absolute path of deploy.json'),
      only: z.array(z.string()).optional(),
      ...settings,
      buildOnly: z.boolean().default(false),
      debug: z
        .boolean()
        .default(false)
        .describe('One instance that a debugger may attach to (see `debugPort`), without a timeout'),
      explain: z.boolean().default(false).describe('Also tell what was bundled, what was not, and why'),
      replace: z.boolean().default(false).describe('Replace functions of other projects that have the same name'),
      from: StartFrom.optional().describe(
        'First event for its triggers; default: new triggers from now, others resume',
      ),
    }),
    response: DeployEvent,
    stream: true,
    readsDisk: true,
    summary: 'Check, build, start and switch; closing the connection cancels',
  },
  build: {
    method: 'POST',
    path: '/v1/builds',
    // As for `deploy`.
    needs: { role: 'admin', scope: 'all' },
    body: z.object({
      file: z.string().describe('Absolute path of deploy.json'),
      only: z.array(z.string()).optional(),
      ...settings,
    }),
    response: BuildEvent,
    stream: true,
    readsDisk: true,
    summary: 'Check and bundle into packages, for another agent; closing the connection cancels',
  },
  announcePackages: {
    method: 'POST',
    path: '/v1/packages',
    needs: { role: 'deploy', scope: 'filtered' },
    body: z.object({ manifests: z.array(PackageManifest).min(1).max(1_000) }),
    bodyLimitBytes: 32 * 1024 * 1024,
    response: z.object({
      digests: z.array(Sha256).describe('In the order of the manifests'),
      missing: z.array(z.object({ sha256: Sha256, size: z.int() })).describe('Contents to upload before the deploy'),
    }),
    isLong: true,
    summary: 'Announce built packages and learn which of their files are missing here',
  },
  uploadContents: {
    method: 'POST',
    path: '/v1/packages/contents',
    needs: { role: 'deploy', scope: 'filtered' },
    takesBytes: true,
    response: z.object({ stored: z.int().describe('Files that are here now'), bytes: z.int() }),
    isLong: true,
    summary:
      'Upload files of announced packages: a tar (application/x-tar, may be gzipped) of files named by their SHA-256; each is kept as soon as it is whole',
  },
  deployPackages: {
    method: 'POST',
    path: '/v1/packages/deploys',
    needs: { role: 'deploy', scope: 'filtered' },
    body: PackagedDeploy,
    bodyLimitBytes: 32 * 1024 * 1024,
    response: DeployEvent,
    stream: true,
    summary: 'Start packages that were uploaded and switch; closing the connection cancels',
  },
  check: {
    method: 'POST',
    path: '/v1/checks',
    // They name files of the machine that the agent runs on.
    needs: { role: 'admin', scope: 'all' },
    body: z.object({ file: z.string(), only: z.array(z.string()).optional(), ...settings }),
    response: z.object({
      checked: z.int(),
      handlers: z.array(
        z.object({ name: z.string(), form: z.string().optional().describe('What it is: `Express app`.') }),
      ),
      problems: z.array(Problem),
      durationMs: z.number(),
    }),
    isLong: true,
    readsDisk: true,
    summary: 'Check the signatures only',
  },
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
  secrets: {
    method: 'GET',
    path: '/v1/secrets',
    needs: { role: 'deploy', scope: 'all' },
    response: z.object({ names: z.array(z.string()) }),
    summary: 'Names of the secrets that are set; values never leave the agent',
  },
  setSecret: {
    method: 'PUT',
    path: '/v1/secrets/:name',
    needs: { role: 'deploy', scope: 'all' },
    params: z.object({ name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
    body: z.object({ value: z.string().max(65_536).nullable().describe('null removes it') }),
    response: z.object({ name: z.string() }),
    summary: 'Set or remove a secret; functions get it with their next version',
  },
  keys: {
    method: 'GET',
    path: '/v1/keys',
    needs: { role: 'deploy', scope: 'all' },
    response: z.object({ keys: z.array(KeyView) }),
    summary: 'Keys of callers; the keys themselves are not kept',
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    needs: { role: 'deploy', scope: 'all' },
    body: z.object({
      name: z.string().min(1).max(100).describe('As its owner is called'),
      functions: z.array(z.string().min(1)).min(1).optional().describe('That it opens; default: all that take keys'),
      events: z.literal(true).optional().describe('It may post events'),
      expiresAt: z.iso.datetime().optional(),
    }),
    response: z.object({ key: z.string().describe('Shown this once'), view: KeyView }),
    isLong: true,
    summary: 'Create a key for calls of functions',
  },
  revokeKey: {
    method: 'DELETE',
    path: '/v1/keys/:id',
    needs: { role: 'deploy', scope: 'all' },
    params: z.object({ id: z.string().min(1).describe('Its id, or its name if no other key has it') }),
    response: KeyView,
    isLong: true,
    summary: 'Revoke a key; no proxy takes it when this responds',
  },
  me: {
    method: 'GET',
    path: '/v1/me',
    needs: { role: 'read', scope: 'filtered' },
    response: z.object({
      kind: z.enum(['operator', 'token']),
      can: Role,
      token: TokenView.optional().describe('If it is one'),
    }),
    summary: 'Who the caller is, and what he may do',
  },
  tokens: {
    method: 'GET',
    path: '/v1/tokens',
    needs: { role: 'admin', scope: 'all' },
    response: z.object({ tokens: z.array(TokenView) }),
    summary: 'Tokens of people and programs; the tokens themselves are not kept',
  },
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    needs: { role: 'admin', scope: 'all' },
    body: z.object({
      name: z.string().min(1).max(100).describe('As its owner is called'),
      can: Role,
      for: z.array(NamePattern).min(1).optional().describe('Names of functions, * for any text; default: all'),
      expiresAt: z.iso.datetime().optional(),
    }),
    response: z.object({ token: z.string().describe('Shown this once'), view: TokenView }),
    summary: 'Create a token for this API',
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/:id',
    needs: { role: 'admin', scope: 'all' },
    params: z.object({ id: z.string().min(1).describe('Its id, or its name if no other token has it') }),
    response: TokenView,
    summary: 'Revoke a token; it opens nothing when this responds',
  },
  audit: {
    method: 'GET',
    path: '/v1/audit',
    needs: { role: 'admin', scope: 'all' },
    query: z.object({
      since: z.iso.datetime().optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(100),
    }),
    response: z.object({ actions: z.array(AuditView) }),
    summary: 'What was done to this platform, by whom and from where; newest first',
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

export interface ApiRoute {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  needs: Need
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodObject
  response: z.ZodType
  stream?: true
  /** Responds when the work is done, which may take long. */
  isLong?: true
  /** Reads files of the machine by their path: only for its own operator, never for a caller from elsewhere. */
  readsDisk?: true
  /** Its body is `application/x-tar` instead of JSON, and is not held in memory. */
  takesBytes?: true
  /** Its response is a file (`application/gzip`) instead of JSON, and is not held in memory. */
  givesBytes?: true
  /** Largest JSON body, if it may be larger than usual. */
  bodyLimitBytes?: number
  summary: string
}

export type Api = typeof API
export type ApiName = keyof Api
