/** Many documents: filtered, ordered, paged. */
import type { FastifyInstance } from 'fastify'
import { type DocumentStore, type Order, parseFieldPath } from '../documents/index.ts'
import { StoreError } from '../store-error.ts'
import { sendJsonText } from './answers.ts'
import { SCHEMAS } from './contract.ts'
import { parseWhere } from './parse-where.ts'
import { singleParameters, tableOf, wholeNumber, type TableParams } from './requests.ts'

const DEFAULT_LIMIT = 100
const MOST_LIMIT = 1_000

export function addQueryRoute(app: FastifyInstance, store: DocumentStore): void {
  app.get<{ Params: TableParams; Querystring: Record<string, string | string[]> }>(
    '/tables/:table/docs',
    { schema: SCHEMAS.query, config: { operation: 'query', access: ['read'] } },
    async (request, reply) => {
      const table = tableOf(request.params)
      const { where, ...others } = request.query
      const { orderBy, limit, cursor } = singleParameters(others, ['orderBy', 'limit', 'cursor'])
      const query = {
        table,
        conditions: where === undefined ? [] : [where].flat().flatMap(parseWhere),
        limit: limit === undefined ? DEFAULT_LIMIT : wholeNumber('limit', limit, { least: 1, most: MOST_LIMIT }),
        ...(orderBy !== undefined && { orderBy: parseOrder(orderBy) }),
        ...(cursor !== undefined && { cursor }),
      }
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort(new StoreError('INVALID_REQUEST', 'the client disconnected')))
      const page = await store.query(query, gone.signal)
      const next = page.cursor === undefined ? '' : `,"cursor":${JSON.stringify(page.cursor)}`
      sendJsonText(reply, `{"documents":[${page.documents.join()}]${next}}`)
    },
  )
}

function parseOrder(text: string): Order {
  const isDescending = text.startsWith('-')
  return { field: parseFieldPath(isDescending ? text.slice(1) : text), isDescending }
}
