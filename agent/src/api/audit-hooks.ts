/** Writes every request that changes something to the audit log. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiName, ApiRoute, PackagedFunction } from '../contract/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import type { AuditLog } from './audit-log.ts'

/** What such a request did, if its status does not say: the outcome of a stream. */
const outcomes = new WeakMap<FastifyRequest, string>()

export function setOutcome(request: FastifyRequest, outcome: string): void {
  outcomes.set(request, outcome)
}

/** Beyond those that read: what is built or uploaded runs nowhere until it is deployed. */
const CHANGES_NOTHING = new Set<ApiName>(['check', 'build', 'announcePackages', 'uploadContents'])

/** @returns nothing for a route that only looks */
export function auditHooks(log: AuditLog, action: ApiName, { method }: ApiRoute) {
  if (method === 'GET' || CHANGES_NOTHING.has(action)) return {}
  const ids = new WeakMap<FastifyRequest, string>()
  return {
    preHandler: async (request: FastifyRequest) => {
      const id = randomUUID()
      const target = targetOf(request)
      await log
        .begin({
          ...{ id, time: new Date().toISOString(), action, who: whoOf(request), from: request.ip },
          ...(target !== undefined && { target }),
        })
        .catch((error: unknown) => {
          throw new RyoFaasError('HOME_UNUSABLE', 'the audit log cannot be written, so nothing was done', {
            hint: 'Free disk space or check the permissions of RYO_FAAS_HOME.',
            cause: error,
          })
        })
      ids.set(request, id)
    },
    onError: async (request: FastifyRequest, _reply: FastifyReply, error: Error) => {
      setOutcome(request, RyoFaasError.from(error).code)
    },
    onResponse: async (request: FastifyRequest, reply: FastifyReply) => {
      const id = ids.get(request)
      if (id === undefined) return
      const outcome = outcomes.get(request) ?? (reply.statusCode < 400 ? 'ok' : String(reply.statusCode))
      await log
        .end(id, outcome)
        .catch((error: unknown) => request.log.warn({ err: error }, 'the audit log lacks an end'))
    },
  }
}

/**
 * Whose token it was. The operator's own proves no more than that; which user of the machine that was, is what the client
 * says.
 */
function whoOf({ headers, grant }: FastifyRequest): string {
  const whose = grant?.kind === 'token' ? `token ${grant.token.name}, ${grant.token.id}` : 'operator'
  const user = /\(([^()]{1,64})\)/.exec(headers['user-agent'] ?? '')?.[1]
  return user === undefined ? whose : `${whose} (${user})`
}

function targetOf(request: FastifyRequest): string | undefined {
  const params = Object.values((request.params ?? {}) as Record<string, unknown>).map(String)
  const { file, name, only, functions } = (request.body ?? {}) as Body
  // Names of functions, for a key; packages, for a deploy.
  const packaged = (functions ?? []).flatMap(each => (typeof each === 'string' ? [] : packageIn(each)))
  const parts = [...params, ...[file, name].filter(part => part !== undefined), ...(only ?? []), ...packaged]
  return parts.length === 0 ? undefined : parts.join(' ')
}

type Body = Partial<Record<'file' | 'name', string>> & {
  only?: string[]
  functions?: (string | PackagedFunction)[]
}

/** `hello@3f2a8c01d5e7`, by which its bytes are found again. */
function packageIn(each: PackagedFunction): string {
  return `${each.entry.name}@${each.package.slice(0, 12)}`
}
