/** What operators ask: health, metrics, backup, the description of the API; and what proves that this is the store. */
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { PROOF_PATH, ProofQuery, proofOf } from '../../../contract/index.ts'
import type { Backup } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'
import { SCHEMAS } from './contract.ts'

export interface AdminParts {
  registry: Registry
  backup: () => Promise<Backup>
  isReady: () => boolean
  /** The operator's token. */
  token: string
}

const hidden = { schema: { hide: true } }
const open = { ...hidden, config: { access: 'anyone' } } as const

export function addAdminRoutes(app: FastifyInstance, { registry, backup, isReady, token }: AdminParts): void {
  app.get('/healthz', open, (_, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', open, (_, reply) => {
    const ready = isReady()
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ready\n' : 'shutting down\n')
  })
  app.get(PROOF_PATH, open, request => {
    const query = ProofQuery.safeParse(request.query)
    if (!query.success) throw new StoreError('INVALID_QUERY', 'nonce must be 32 to 128 hexadecimal digits')
    return { proof: proofOf(token, { nonce: query.data.nonce, port: request.socket.localPort! }) }
  })
  app.get('/metrics', hidden, async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  app.get('/openapi.json', hidden, () => app.swagger())
  app.post('/backup', { schema: SCHEMAS.backup, config: { operation: 'admin' } }, async (_, reply) =>
    reply.code(201).send(await backup()),
  )
}
