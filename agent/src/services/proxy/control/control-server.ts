/**
 * The proxy's private door for the agent: a few requests over a unix socket (a named pipe on Windows).
 *
 * | request | answer |
 * |---|---|
 * | `PUT /routes` with a `RouteTable` | 204 when every worker serves it · 400 if it is none · 409 if it is stale |
 * | `GET /stats` | `ProxyStats` |
 * | `GET /figures` | `FunctionCounts[]` |
 * | `GET /healthz` | `{status, generation}`; generation is -1 before the first table |
 *
 * Invariants: 1. only who may open the socket file is heard; it is made for its owner alone. 2. a socket file that a
 * dead process left behind is replaced, one that answers is not.
 */
import { chmod, rm } from 'node:fs/promises'
import net from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { NO_SCHEMAS } from '../no-schemas.ts'
import { RouteTable } from '../routing/route-table.ts'
import { StaleTableError } from '../routing/table-keeper.ts'
import type { FunctionCounts, ProxyStats } from '../metrics/summary.ts'

const BODY_LIMIT_BYTES = 16 * 1024 * 1024

export interface Controlled {
  readonly generation: number
  /** @throws StaleTableError */
  setRoutes(table: RouteTable): Promise<void>
  stats(): Promise<ProxyStats>
  figures(): Promise<FunctionCounts[]>
}

export async function startControlServer(path: string, target: Controlled): Promise<{ close(): Promise<void> }> {
  const fastify = Fastify({ schemaController: NO_SCHEMAS, bodyLimit: BODY_LIMIT_BYTES, forceCloseConnections: true })
  addRoutes(fastify, target)
  if (process.platform !== 'win32') {
    if (await answers(path)) throw Object.assign(new Error(`${path} is in use`), { code: 'EADDRINUSE' })
    await rm(path, { force: true })
  }
  await fastify.listen({ path })
  if (process.platform !== 'win32') await chmod(path, 0o600)
  return { close: () => fastify.close() }
}

function addRoutes(fastify: FastifyInstance, target: Controlled): void {
  fastify.put('/routes', async (request, reply) => {
    const table = RouteTable.safeParse(request.body)
    if (!table.success) return reply.code(400).send({ error: 'not a route table', issues: table.error.issues })
    try {
      await target.setRoutes(table.data)
    } catch (error) {
      if (!(error instanceof StaleTableError)) throw error
      return reply.code(409).send({ error: error.message, generation: error.generation })
    }
    return reply.code(204).send()
  })
  fastify.get('/stats', () => target.stats())
  fastify.get('/figures', () => target.figures())
  fastify.get('/healthz', () => ({ status: 'ok', generation: target.generation }))
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
