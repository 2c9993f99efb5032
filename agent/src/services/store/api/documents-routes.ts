/** One document: create, read, replace, merge, delete. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  dataOf,
  type DocumentParams,
  etagOf,
  idOf,
  isKnown,
  objectBody,
  preconditionOf,
  singleParameters,
  StoreError,
  tableOf,
  type TableParams,
  writtenOf,
} from '@ryo-faas/runtime/documents'
import { checkName, type DocumentStore, type FoundDocument, type WriteOperation } from '../documents/index.ts'
import { sendJsonText, sendWritten } from './answers.ts'
import { SCHEMAS } from './contract.ts'
import { contextOf } from './trace-context.ts'

const DOCUMENTS = '/tables/:table/docs'
const DOCUMENT = `${DOCUMENTS}/:id`

export function addDocumentRoutes(app: FastifyInstance, store: DocumentStore): void {
  const write = async (request: FastifyRequest, operation: WriteOperation) =>
    writtenOf(await store.write([operation], contextOf(request)))[0]!

  app.post<{ Params: TableParams }>(
    DOCUMENTS,
    { schema: SCHEMAS.create, config: { operation: 'create', access: ['write'] } },
    async (request, reply) => {
      const table = tableOf(request.params)
      const body = objectBody(request.body, ['data', 'id'])
      const id = idOf(body)
      const operation = { kind: 'create', table, data: dataOf(body), ...(id !== undefined && { id }) } as const
      sendWritten(reply, table, await write(request, operation))
    },
  )

  app.get<{ Params: DocumentParams }>(
    DOCUMENT,
    { schema: SCHEMAS.get, config: { operation: 'get', access: ['read'] } },
    (request, reply) => {
      const { table, id } = request.params
      const answer = (found: FoundDocument | undefined) => {
        if (found === undefined) throw notFound(request.params)
        void reply.header('etag', etagOf(found.version))
        if (isKnown(request.raw.headers, found.version)) void reply.code(304).send()
        else sendJsonText(reply, found.text)
      }
      const found = store.get(checkName('table', table), id)
      // A promise for what is there already takes four per cent of the reads.
      return found instanceof Promise ? found.then(answer) : answer(found)
    },
  )

  app.put<{ Params: DocumentParams }>(
    DOCUMENT,
    { schema: SCHEMAS.put, config: { operation: 'put', access: ['write'] } },
    async (request, reply) => {
      const place = placeOf(request.params)
      const data = dataOf(objectBody(request.body, ['data']))
      const operation = { kind: 'put', ...place, data, ...conditionOf(request.raw.headers) } as const
      sendWritten(reply, place.table, await write(request, operation))
    },
  )

  app.patch<{ Params: DocumentParams }>(
    DOCUMENT,
    { schema: SCHEMAS.patch, config: { operation: 'patch', access: ['read', 'write'] } },
    async (request, reply) => {
      const place = placeOf(request.params)
      if (request.body === undefined) throw new StoreError('INVALID_REQUEST', 'the body must be a JSON merge patch')
      const patch = JSON.stringify(request.body)
      const operation = { kind: 'patch', ...place, patch, ...conditionOf(request.raw.headers) } as const
      sendWritten(reply, place.table, await write(request, operation))
    },
  )

  app.delete<{ Params: DocumentParams }>(
    DOCUMENT,
    { schema: SCHEMAS.delete, config: { operation: 'delete', access: ['write'] } },
    async (request, reply) => {
      singleParameters(request.query, [])
      const operation = { kind: 'delete', ...placeOf(request.params), ...conditionOf(request.raw.headers) } as const
      await write(request, operation)
      return reply.code(204).send()
    },
  )
}

function placeOf({ table, id }: DocumentParams): DocumentParams {
  return { table: checkName('table', table), id: checkName('id', id) }
}

function conditionOf(headers: Parameters<typeof preconditionOf>[0]) {
  const condition = preconditionOf(headers)
  return condition === undefined ? {} : { condition }
}

/** An illegal name does not exist, but the answer says why. */
function notFound({ table, id }: DocumentParams): StoreError {
  placeOf({ table, id })
  return new StoreError('DOCUMENT_NOT_FOUND', `table ${JSON.stringify(table)} has no document ${JSON.stringify(id)}`)
}
