/**
 * The private control interface of a process that serves routes: HTTP over a unix socket (a named pipe on Windows).
 *
 * | request | answer |
 * |---|---|
 * | `PUT /routes` with a `RouteTable` | 102 when it is served, then 204 when it has settled · 400 if it is not one · 409 if it is stale |
 * | `PATCH /routes` with a `RoutePatch` | 102 when it is served, then 204 when it has settled · 400 · 409 if its base is not served |
 * | `GET /healthz` | `{status, generation, pid}`; generation is -1 before the first table |
 * | `GET` of further paths (`tells`) | JSON |
 * | `POST` to further paths (`takes`) with JSON | JSON |
 * | `GET` of further paths (`streams`) | lines of JSON, until the client leaves |
 *
 * Invariants: 1. Only clients that may open the socket file are served; only its owner may. 2. A socket file that a
 * dead process left behind is replaced, unlike one that answers. 3. A client that does not read its stream is cut off:
 * what it has missed it is told when it comes back.
 *
 * On `node:http`, because a dispatcher loads no framework.
 */
import { chmod, rm } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import type { z } from 'zod'
import type { PatchReader } from './route-channel.ts'
import { StaleTableError } from './route-keeper.ts'
import { RoutePatch, RouteTable } from './route.ts'

const BODY_LIMIT_BYTES = 16 * 1024 * 1024
const UNREAD_LIMIT_BYTES = 4 * 1024 * 1024

/** Begins to write what a client is to know, now and from now on. @returns what ends that */
export type Subscribe = (write: (lines: object[]) => void) => () => void

export interface ControlServerOptions {
  reader: PatchReader & { readonly generation: number }
  /** Further `GET` requests, by path. */
  tells?: Record<string, () => Promise<unknown>>
  /** Further `GET` requests that are answered line by line, by path. */
  streams?: Record<string, Subscribe>
  /** `POST` requests, by path. */
  takes?: Record<string, Take>
}

interface Answer {
  status: number
  body?: unknown
  /** What happens once it was sent. */
  afterwards?: (() => void) | undefined
}

/** Does what is asked. @returns what is answered, and what happens once that was sent */
export type Take = (asked: unknown) => Promise<{ body: unknown; afterwards?: () => void }>

/** @throws an error with code EADDRINUSE if a process answers there */
export async function startControlServer(
  path: string,
  { reader, tells = {}, streams = {}, takes = {} }: ControlServerOptions,
): Promise<{ close(): Promise<void> }> {
  const questions = new Map(
    Object.entries({
      ...tells,
      '/healthz': async () => ({ status: 'ok', generation: reader.generation, pid: process.pid }),
    }),
  )
  const server = http.createServer((request, response) => {
    const subscribe = request.method === 'GET' ? streams[request.url!] : undefined
    if (subscribe !== undefined) return stream(response, subscribe)
    void answer(request, response)
      .catch((error: Error): Answer => ({ status: 500, body: { error: error.message } }))
      .then(({ status, body, afterwards }) => {
        if (afterwards !== undefined) response.once('close', afterwards)
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(body === undefined ? undefined : JSON.stringify(body))
      })
  })
  const answer = (request: IncomingMessage, response: ServerResponse): Promise<Answer> => {
    switch (request.method) {
      case 'PUT':
        return accept(request, RouteTable, table => reader.setRoutes(table, () => response.writeProcessing()))
      case 'PATCH':
        return accept(request, RoutePatch, async patch => {
          const { settled } = await reader.setRoute(patch)
          response.writeProcessing()
          await settled
        })
      case 'POST':
        return take(request, takes[request.url!])
      default:
        return tell(questions.get(request.url!))
    }
  }
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

async function accept<T>(
  request: IncomingMessage,
  schema: z.ZodType<T>,
  take: (value: T) => Promise<void>,
): Promise<Answer> {
  if (request.url !== '/routes') return NOT_FOUND
  if (!(Number(request.headers['content-length']) <= BODY_LIMIT_BYTES)) {
    return { status: 413, body: { error: `a table has at most ${BODY_LIMIT_BYTES} bytes` } }
  }
  const value = schema.safeParse(parsed(await text(request)))
  if (!value.success) return { status: 400, body: { error: 'not a route table', issues: value.error.issues } }
  try {
    await take(value.data)
    return { status: 204 }
  } catch (error) {
    if (!(error instanceof StaleTableError)) throw error
    return { status: 409, body: { error: error.message, generation: error.generation } }
  }
}

/** Invariant 3. */
function stream(response: ServerResponse, subscribe: Subscribe): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  const end = subscribe(lines => {
    response.write(lines.map(line => `${JSON.stringify(line)}\n`).join(''))
    if (response.writableLength > UNREAD_LIMIT_BYTES) response.destroy()
  })
  response.on('close', end)
}

async function take(request: IncomingMessage, doIt: Take | undefined): Promise<Answer> {
  return doIt === undefined ? NOT_FOUND : { status: 200, ...(await doIt(parsed(await text(request)))) }
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
