/**
 * The log for readers: one event, or all from a place on as server-sent events. A stream's ids are sequences, so a client
 * that comes back with `Last-Event-ID` misses nothing.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CLOUD_EVENT_TYPE } from '@ryo-faas/runtime/protocol'
import type { DocumentStore } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'
import { SCHEMAS } from './contract.ts'
import { singleParameters, tableOf, wholeNumber, type TableParams } from './requests.ts'

export interface ChangeStreams {
  /** Ends all of them. */
  close(): void
}

const MOST_SEQUENCE = { least: 0, most: Number.MAX_SAFE_INTEGER }
const READ_STEP = 100

export function addChangesRoutes(
  app: FastifyInstance,
  { store, heartbeatMs }: { store: DocumentStore; heartbeatMs: number },
): ChangeStreams {
  const open = new Set<ChangeStream>()
  const follow = (request: FastifyRequest, reply: FastifyReply, table?: string) => {
    const from = startOf(request, store)
    reply.hijack()
    const stream = new ChangeStream({
      response: reply.raw,
      store,
      heartbeatMs,
      from,
      ...(table !== undefined && { table }),
    })
    open.add(stream)
    reply.raw.once('close', () => {
      open.delete(stream)
      app.endOperation(request, reply)
    })
    stream.start()
  }
  const config = { operation: 'changes', access: ['read'] } as const

  app.get('/changes', { schema: SCHEMAS.changes, config }, (request, reply) => follow(request, reply))
  app.get<{ Params: TableParams }>(
    '/tables/:table/changes',
    { schema: SCHEMAS.tableChanges, config },
    (request, reply) => follow(request, reply, tableOf(request.params)),
  )
  app.get<{ Params: { sequence: string } }>(
    '/changes/:sequence',
    { schema: SCHEMAS.event, config },
    (request, reply) => {
      const sequence = wholeNumber('the sequence', request.params.sequence, { ...MOST_SEQUENCE, least: 1 })
      const event = store.event(sequence)
      if (event === undefined) throw new StoreError('EVENT_NOT_FOUND', `the log has no event ${sequence}`)
      return reply.type(`${CLOUD_EVENT_TYPE}; charset=utf-8`).send(event.text)
    },
  )
  app.get('/log', { schema: SCHEMAS.log, config }, () => store.logBounds())

  return {
    close: () => {
      for (const stream of open) stream.end()
    },
  }
}

/** The first sequence to send. @throws StoreError INVALID_QUERY, EVENTS_TRIMMED */
function startOf(request: FastifyRequest, store: DocumentStore): number {
  const { since = request.headers['last-event-id'] } = singleParameters(request.query, ['since'])
  const { first, last } = store.logBounds()
  if (since === undefined) return last + 1
  const from = wholeNumber('since', String(since), MOST_SEQUENCE) + 1
  if (from < first && since !== '0') {
    throw new StoreError('EVENTS_TRIMMED', `the log begins at ${first}`, { details: { first } })
  }
  return Math.max(from, first)
}

interface ChangeStreamOptions {
  response: ServerResponse
  store: DocumentStore
  table?: string
  heartbeatMs: number
  from: number
}

class ChangeStream {
  private readonly options: ChangeStreamOptions
  private next: number
  private isSending = false
  private isEnded = false

  constructor(options: ChangeStreamOptions) {
    this.options = options
    this.next = options.from
  }

  start(): void {
    const { response, store, heartbeatMs } = this.options
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(': changes\n\n')
    const forget = store.onCommit(() => void this.send())
    const heartbeat = setInterval(() => response.write(': \n\n'), heartbeatMs)
    response.once('close', () => {
      this.isEnded = true
      clearInterval(heartbeat)
      forget()
    })
    response.on('error', () => undefined) // The client went away; `close` follows.
    void this.send()
  }

  end(): void {
    this.isEnded = true
    this.options.response.end()
  }

  /** Sends what there is, at the reader's pace. */
  private async send(): Promise<void> {
    if (this.isSending) return
    this.isSending = true
    const { response, store, table } = this.options
    const where = { limit: READ_STEP, ...(table !== undefined && { table }) }
    while (!this.isEnded) {
      const { entries, through } = store.readLog({ from: this.next, ...where })
      if (through < this.next) break
      this.next = through + 1
      const text = entries.map(({ sequence, text }) => `id: ${sequence}\ndata: ${text}\n\n`).join('')
      if (text !== '' && !response.write(text)) await drained(response)
      else await new Promise(resolve => setImmediate(resolve))
    }
    this.isSending = false
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
