/** Tables and their indexes. */
import type { FastifyInstance } from 'fastify'
import { StoreError, tableOf, type TableParams } from '@ryo-faas/runtime/documents'
import { type DocumentStore, parseFieldPath, type TableView } from '../documents/index.ts'
import { SCHEMAS } from './contract.ts'
import { hasRight } from './door.ts'

interface IndexParams extends TableParams {
  field: string
}

const INDEX = '/tables/:table/indexes/:field'
const config = { operation: 'admin' } as const
const forReaders = { operation: 'admin', access: ['read'] } as const

export function addTableRoutes(app: FastifyInstance, store: DocumentStore): void {
  app.get('/tables', { schema: SCHEMAS.tables, config: { operation: 'admin', access: 'function' } }, async request => ({
    tables: (await store.tables()).filter(({ table }) => hasRight(request.principal, 'read', table)),
  }))

  app.get<{ Params: TableParams }>('/tables/:table', { schema: SCHEMAS.table, config: forReaders }, request =>
    existing(store, tableOf(request.params)),
  )

  app.delete<{ Params: TableParams }>(
    '/tables/:table',
    { schema: SCHEMAS.dropTable, config },
    async (request, reply) => {
      await store.dropTable(tableOf(request.params))
      return reply.code(204).send()
    },
  )

  app.get<{ Params: TableParams }>(
    '/tables/:table/indexes',
    { schema: SCHEMAS.indexes, config: forReaders },
    async request => ({ indexes: (await existing(store, tableOf(request.params))).indexes }),
  )

  app.put<{ Params: IndexParams }>(INDEX, { schema: SCHEMAS.declareIndex, config }, async (request, reply) => {
    const { field } = request.params
    const { path, kind } = parseFieldPath(field)
    if (kind === 'own' && path === '$id') throw new StoreError('INVALID_REQUEST', 'documents are ordered by $id anyway')
    const index = await store.declareIndex(tableOf(request.params), path)
    return reply.code(index.state === 'ready' ? 200 : 202).send(index)
  })

  app.delete<{ Params: IndexParams }>(INDEX, { schema: SCHEMAS.dropIndex, config }, async (request, reply) => {
    await store.dropIndex(tableOf(request.params), parseFieldPath(request.params.field).path)
    return reply.code(204).send()
  })
}

export async function existing(store: DocumentStore, table: string): Promise<TableView> {
  const view = await store.table(table)
  if (view === undefined) throw new StoreError('TABLE_NOT_FOUND', `there is no table ${JSON.stringify(table)}`)
  return view
}
