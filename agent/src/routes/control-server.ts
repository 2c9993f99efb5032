/**
 * The private control interface of a process that serves routes: HTTP over a unix socket (a named pipe on Windows).
 *
 * | request | answer |
 * |---|---|
 * | `PUT /routes` with a `RouteTable` | 204 when it is served · 400 if it is not one · 409 if it is stale |
 * | `GET /healthz` | `{status, generation, pid}`; generation is -1 before the first table |
 * | `GET` of further paths (`tells`) | JSON |
 *
 * Invariants: 1. Only clients that may open the socket file are served; only its owner may. 2. A socket file that a
 * dead process left behind is replaced, unlike one that answers.
 *
 * On `node:http`, because a dispatcher loads no framework.
 */
import { chmod, rm } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import type { RouteReader } from './route-channel.ts'
import { StaleTableError } from './route-keeper.ts'
import { RouteTable } from './route.ts'

const BODY_LIMIT_BYTES = 16 * 1024 * 1024

export interface ControlServerOptions {
  reader: RouteReader & { readonly generation: number }
  /** Further `GET` requests, by path. */
  tells?: Record<string, () => Promise<unknown>>
}

interface Answer {
  status: number
  body?: unknown
}

/** @throws an error with code EADDRINUSE if a process answers there */
export async function startControlServer(
  path: string,
  { reader, tells = {} }: ControlServerOptions,
): Promise<{ close(): Promise<void> }> {
  const questions = new Map(
    Object.entries({
      ...tells,
      '/healthz': async () => ({ status: 'ok', generation: reader.generation, pid: process.pid }),
    }),
  )
  const server = http.createServer((request, response) => {
    const answered = request.method === 'PUT' ? putRoutes(request, reader) : tell(questions.get(request.url!))
    void answered
      .catch((error: Error): Answer => ({ status: 500, body: { error: error.message } }))
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(body === undefined ? undefined : JSON.stringify(body))
      })
  })
  if (process.platform !== 'win32') {
    if (await answers(path)) throw Object.assign(new Error(`${path} is in use`), { code: 'EADDRINUSE' })
    await rm(path, { force: true })
  }
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ path }, resolve))
  if (process.platform !== 'win32') await chmod(path, 0o600)
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function putRoutes(request: IncomingMessage, reader: RouteReader): Promise<Answer> {
  if (request.url !== '/routes') return NOT_FOUND
  if (!(Number(request.headers['content-length']) <= BODY_LIMIT_BYTES)) {
    return { status: 413, body: { error: `a table has at most ${BODY_LIMIT_BYTES} bytes` } }
  }
  const table = RouteTable.safeParse(parsed(await text(request)))
  if (!table.success) return { status: 400, body: { error: 'not a route table', issues: table.error.issues } }
  try {
    await reader.setRoutes(table.data)
    return { status: 204 }
  } catch (error) {
    if (!(error instanceof StaleTableError)) throw error
    return { status: 409, body: { error: error.message, generation: error.generation } }
  }
}

async function tell(question: (() => Promise<unknown>) | undefined): Promise<Answer> {
  return question === undefined ? NOT_FOUND : { status: 200, body: await question() }
}

const NOT_FOUND: Answer = { status: 404, body: { error: 'not found' } }

/** Undefined if it is not JSON: not a table either. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
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
