/** Many documents: filtered, ordered, paged. */
import type { FastifyInstance } from 'fastify'
import { pageText, readQuery, StoreError, tableOf, type TableParams } from '@ryo-faas/runtime/documents'
import type { DocumentStore } from '../documents/index.ts'
import { sendJsonText } from './answers.ts'
import { SCHEMAS } from './contract.ts'

export function addQueryRoute(app: FastifyInstance, store: DocumentStore): void {
  app.get<{ Params: TableParams; Querystring: Record<string, string | string[]> }>(
    '/tables/:table/docs',
    { schema: SCHEMAS.query, config: { operation: 'query', access: ['read'] } },
    async (request, reply) => {
      const query = readQuery(tableOf(request.params), request.query)
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort(new StoreError('INVALID_REQUEST', 'the client disconnected')))
      const page = await store.query(query, gone.signal)
      sendJsonText(reply, pageText(page))
    },
  )
}
