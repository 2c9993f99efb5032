/** Several writes, all or none. */
import type { FastifyInstance } from 'fastify'
import { batchText, readBatch } from '@ryo-faas/runtime/documents'
import type { DocumentStore } from '../documents/index.ts'
import { sendJsonText } from './answers.ts'
import { SCHEMAS } from './contract.ts'
import { checkRight } from './door.ts'
import { contextOf } from './trace-context.ts'

export function addBatchRoute(app: FastifyInstance, store: DocumentStore): void {
  app.post(
    '/batch',
    { schema: SCHEMAS.batch, config: { operation: 'batch', access: 'function' } },
    async (request, reply) => {
      const writes = readBatch(request.body)
      for (const { kind, table } of writes) {
        checkRight(request.principal, 'write', table)
        // Its result is the whole document.
        if (kind === 'patch') checkRight(request.principal, 'read', table)
      }
      sendJsonText(reply, batchText(await store.write(writes, contextOf(request))))
    },
  )
}
