/**
 * The log for readers: one event, or all from a position as server-sent events. A stream's ids are sequences, so a
 * client that comes back with `Last-Event-ID` misses nothing.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CLOUD_EVENT_TYPE } from '@ryo-faas/runtime/protocol'
import { singleParameters, StoreError, tableOf, type TableParams, wholeNumber } from '@ryo-faas/runtime/documents'
import { EventStream } from '../../../host/index.ts'
import type { DocumentStore } from '../documents/index.ts'
import { SCHEMAS } from './contract.ts'

export interface ChangesParts {
  store: DocumentStore
  heartbeatMs: number
  /** Ends all streams. */
  ending: AbortSignal
}

const MOST_SEQUENCE = { least: 0, most: Number.MAX_SAFE_INTEGER }

export function addChangesRoutes(app: FastifyInstance, { store, heartbeatMs, ending }: ChangesParts): void {
  const follow = async (request: FastifyRequest, reply: FastifyReply, table?: string) => {
    const from = await startOf(request, store)
    reply.hijack()
    const gone = new AbortController()
    const onClose = () => {
      gone.abort()
      app.endOperation(request, reply)
    }
    const stream = new EventStream(reply.raw, { heartbeatMs, onClose })
    const signal = AbortSignal.any([ending, gone.signal])
    const changes = store.changes({ from, signal, ...(table !== undefined && { table }) })
    sendChanges(stream, changes, signal).catch((error: Error) => stream.cutOff(error))
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
    async (request, reply) => {
      const sequence = wholeNumber('the sequence', request.params.sequence, { ...MOST_SEQUENCE, least: 1 })
      const event = await store.event(sequence)
      if (event === undefined) throw new StoreError('EVENT_NOT_FOUND', `the log has no event ${sequence}`)
      return reply.type(`${CLOUD_EVENT_TYPE}; charset=utf-8`).send(event.text)
    },
  )
  app.get('/log', { schema: SCHEMAS.log, config }, () => store.logBounds())
}

/** The first sequence to send. @throws StoreError INVALID_QUERY, EVENTS_TRIMMED */
async function startOf(request: FastifyRequest, store: DocumentStore): Promise<number> {
  const { since = request.headers['last-event-id'] } = singleParameters(request.query, ['since'])
  const { first, last } = await store.logBounds()
  if (since === undefined) return last + 1
  const from = wholeNumber('since', String(since), MOST_SEQUENCE) + 1
  if (from < first && since !== '0') {
    throw new StoreError('EVENTS_TRIMMED', `the log begins at ${first}`, { details: { first } })
  }
  return Math.max(from, first)
}

/** Sends existing and new events, at the reader's pace. */
async function sendChanges(
  stream: EventStream,
  changes: ReturnType<DocumentStore['changes']>,
  signal: AbortSignal,
): Promise<void> {
  for await (const entries of changes) {
    if (signal.aborted) break
    stream.send(entries.map(({ sequence, text }) => ({ id: sequence, data: text })))
    await stream.taken(signal)
  }
  stream.end()
}
