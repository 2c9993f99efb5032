/** Routes for operators: health, metrics, backup, the API's description, and the proof that this is the store. */
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { StoreError } from '@ryo-faas/runtime/documents'
import type { AccessKeys } from '../../../access/index.ts'
import { answerProof, PROOF_PATH } from '../../../contract/index.ts'
import type { DocumentStore } from '../documents/index.ts'
import { SCHEMAS } from './contract.ts'

export interface AdminParts {
  access: AccessKeys
  registry: Registry
  store: DocumentStore
  /** Aborted when the store closes. */
  ending: AbortSignal
}

const hidden = { schema: { hide: true } }
const open = { ...hidden, config: { access: 'anyone' } } as const

export function addAdminRoutes(app: FastifyInstance, { access, registry, store, ending }: AdminParts): void {
  app.get(PROOF_PATH, open, (request, reply) => {
    const proof = answerProof(access.operator, { url: request.url, port: request.socket.localPort! })
    if (proof === undefined) throw new StoreError('INVALID_REQUEST', 'nonce: 32 to 128 hexadecimal digits')
    return reply.type('application/json; charset=utf-8').send(proof)
  })
  app.get('/healthz', open, (_, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', open, (_, reply) => {
    void reply.type('text/plain')
    return ending.aborted ? reply.code(503).send('shutting down\n') : reply.send('ready\n')
  })
  app.get('/metrics', hidden, async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  app.get('/openapi.json', hidden, () => app.swagger())
  if (store.backup === undefined) return
  app.post('/backup', { schema: SCHEMAS.backup, config: { operation: 'admin' } }, async ({ query }, reply) => {
    const { temporary, newLog } = query as { temporary: boolean; newLog: boolean }
    const kind = { place: temporary ? 'temporary' : 'kept', log: newLog ? 'new' : 'same' } as const
    return reply.code(201).send(await store.backup!(kind))
  })
}
