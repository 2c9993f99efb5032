/** One handler per route of the contract. Requests arrive validated. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { routeOf } from '@ryo-faas/runtime/protocol'
import {
  API,
  RyoFaasError,
  type ApiName,
  type DeployEvent,
  type PlatformEvent,
  type TraceQuery,
} from '../contract/index.ts'
import { setOutcome } from './audit-hooks.ts'
import { isGranted, requireName } from './authorize.ts'
import { openLineStream } from './line-stream.ts'
import type { Platform } from './platform.ts'
import { runSchedule } from './run-schedule.ts'

type Handler = (platform: Platform, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

const bodyOf = <
  Name extends { [Each in ApiName]: (typeof API)[Each] extends { body: z.ZodType } ? Each : never }[ApiName],
>(
  _: Name,
  request: FastifyRequest,
) => request.body as z.output<(typeof API)[Name]['body']>

const nameOf = (request: FastifyRequest) => (request.params as { name: string }).name

export const handlers: Record<ApiName, Handler> = {
  platform: async platform => platform.view(),

  events: async (platform, request, reply) => {
    const stream = openLineStream(request, reply)
    stream.write({ type: 'hello' } satisfies PlatformEvent)
    const isShown = (name: string) => isGranted(request.grant, name)
    const unsubscribe = platform.onEvent(event => {
      if (event.type === 'calls-counted') {
        stream.write({ ...event, counts: event.counts.filter(({ route }) => isShown(route)) })
      } else if (!('name' in event) || isShown(event.name)) stream.write(event)
    })
    stream.signal.addEventListener('abort', unsubscribe, { once: true })
    return reply
  },

  deploy: async (platform, request, reply) => {
    const body = bodyOf('deploy', request)
    const deployer = platform.deployer()
    return streamDeploy(request, reply, (emit, signal) => deployer.deploy(body, emit, signal))
  },

  build: async (platform, request, reply) => {
    const body = bodyOf('build', request)
    const { packages } = platform.deployer()
    const stream = openLineStream(request, reply)
    void packages.build(body, event => stream.write(event), stream.signal).finally(() => stream.end())
    return reply
  },

  announcePackages: async (platform, request) =>
    platform.deployer().packages.announce(bodyOf('announcePackages', request).manifests),

  uploadContents: async (platform, { body }) => {
    if (body instanceof Readable) return platform.deployer().packages.receive(body)
    throw new RyoFaasError('INVALID_REQUEST', 'the body is missing: send a tar, as application/x-tar')
  },

  deployPackages: async (platform, request, reply) => {
    const body = bodyOf('deployPackages', request)
    for (const { entry } of body.functions) requireName(request.grant, entry.name)
    const deployer = platform.deployer()
    return streamDeploy(request, reply, (emit, signal) => deployer.deployPackages(body, emit, signal))
  },

  check: async (platform, request) => {
    return platform.deployer().check(bodyOf('check', request))
  },

  deployments: async (platform, { grant }) => ({
    deployments: (await platform.deployer().list()).filter(({ name }) => isGranted(grant, name)),
  }),

  deployment: async (platform, request) => platform.deployer().view(nameOf(request)),

  scale: async (platform, request) => {
    const name = nameOf(request)
    await platform.deployer().lifecycle.scale(name, bodyOf('scale', request).instances, new AbortController().signal)
    return platform.deployer().view(name)
  },

  rollback: async (platform, request) => {
    const name = nameOf(request)
    await platform
      .deployer()
      .lifecycle.rollback(name, bodyOf('rollback', request).version, new AbortController().signal)
    return platform.deployer().view(name)
  },

  replay: async (platform, request) => {
    const name = nameOf(request)
    await platform.deployer().lifecycle.replay(name, bodyOf('replay', request))
    return platform.deployer().view(name)
  },

  pause: async (platform, request) => {
    const { name, key } = request.params as z.output<(typeof API)['pause']['params']>
    await platform.deployer().lifecycle.pause(name, { key, ...bodyOf('pause', request) })
    return platform.deployer().view(name)
  },

  schedules: async (platform, { grant }) => {
    const { clock } = platform.deployer()
    return { clock: clock.view, schedules: clock.schedules().filter(({ name }) => isGranted(grant, name)) }
  },

  runSchedule: async (platform, request) => {
    const { name, key } = request.params as z.output<(typeof API)['runSchedule']['params']>
    const deployer = platform.deployer()
    const proxy = { url: platform.view().proxyUrl, token: platform.token }
    return runSchedule(await deployer.view(name), key, { proxy, now: deployer.clock.now() })
  },

  clock: async platform => platform.deployer().clock.view,

  setClock: async (platform, request) => {
    const { to, passes } = bodyOf('setClock', request)
    const { clock } = platform.deployer()
    await clock.move({ to: Date.parse(to), passes })
    return clock.view
  },

  stop: async (platform, request) => {
    const name = nameOf(request)
    await platform.deployer().lifecycle.remove(name)
    return { name: routeOf(name) }
  },

  logs: async (platform, request, reply) => {
    const { follow, since, tail } = request.query as z.output<(typeof API)['logs']['query']>
    // Before the stream is open: an unknown name is a 404, not an empty stream.
    const read = platform.deployer().logs(nameOf(request))
    const stream = openLineStream(request, reply)
    const lines = read({ follow, tail, ...(since !== undefined && { since }), signal: stream.signal })
    void (async () => {
      for await (const line of lines) {
        stream.write(line)
        await stream.writable()
      }
    })()
      .catch((error: unknown) => request.log.warn({ err: error }, 'reading logs failed'))
      .finally(() => stream.end())
    return reply
  },

  resources: async (platform, { grant }) => ({
    resources: (await platform.deployer().resources()).filter(({ deployment }) => isGranted(grant, deployment)),
  }),

  traces: async (platform, request) => platform.traces().list(request.query as TraceQuery),

  trace: async (platform, request) => {
    const { id } = request.params as z.output<(typeof API)['trace']['params']>
    const trace = await platform.traces().find(id)
    if (trace) return trace
    throw new RyoFaasError('TRACE_NOT_FOUND', `no stored trace has the id "${id}"`, {
      hint: 'The oldest traces are dropped first; ryo-faas traces lists the stored ones.',
    })
  },

  metricsHistory: async (platform, request) =>
    platform.metrics.history(request.query as z.output<(typeof API)['metricsHistory']['query']>),

  secrets: async platform => ({ names: await platform.secrets.names() }),

  setSecret: async (platform, request) => {
    await platform.secrets.set(nameOf(request), bodyOf('setSecret', request).value)
    // Tokens of callers may be signed with it.
    await platform.deployer().republish()
    return { name: nameOf(request) }
  },

  keys: async platform => ({ keys: await platform.keys().list() }),

  createKey: async (platform, request) => platform.keys().create(bodyOf('createKey', request)),

  revokeKey: async (platform, request) =>
    platform.keys().revoke((request.params as z.output<(typeof API)['revokeKey']['params']>).id),

  me: async (_platform, { grant }) =>
    grant?.kind === 'token' ? grant : { kind: 'operator' as const, can: 'admin' as const },

  tokens: async platform => ({ tokens: await platform.tokens.list() }),

  retryCertificate: async (platform, request) => {
    const { domain } = request.params as z.output<(typeof API)['retryCertificate']['params']>
    if (await platform.retryCertificate(domain)) return {}
    throw new RyoFaasError('INVALID_REQUEST', `there is no attempt for a certificate of ${domain} to be repeated`)
  },

  createToken: async (platform, request) => platform.tokens.create(bodyOf('createToken', request)),

  revokeToken: async (platform, request) =>
    platform.tokens.revoke((request.params as z.output<(typeof API)['revokeToken']['params']>).id),

  audit: async (platform, request) => ({
    actions: await platform.audit.read(request.query as z.output<(typeof API)['audit']['query']>),
  }),

  backup: async (platform, _request, reply) => {
    const content = await platform.backup()
    return reply.type('application/gzip').send(content)
  },

  prune: async platform => platform.deployer().prune(),

  reset: async platform => ({ removed: await platform.deployer().lifecycle.removeAll() }),

  shutdown: async (platform, request) => ({ stopped: await platform.shutdown(bodyOf('shutdown', request)) }),
}

function streamDeploy(
  request: FastifyRequest,
  reply: FastifyReply,
  deploy: (emit: (event: DeployEvent) => void, signal: AbortSignal) => Promise<void>,
): FastifyReply {
  const stream = openLineStream(request, reply)
  const emit = (event: DeployEvent) => {
    if (event.type === 'finished') setOutcome(request, outcomeOf(event))
    stream.write(event)
  }
  void deploy(emit, stream.signal).finally(() => stream.end())
  return reply
}

function outcomeOf({ error, deployed, failed }: Extract<DeployEvent, { type: 'finished' }>): string {
  if (error !== undefined) return error.code
  return failed === 0 ? 'ok' : `${failed} of ${deployed + failed} failed`
}
