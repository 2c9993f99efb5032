/**
 * The minimum of a durable store behind fastify: one put into LMDB, by the library's own writing thread, acknowledged
 * when it is on disk; no events, no versions, no checks. The difference to the bare route is the disk and the hop to
 * another thread; keys ascend, as ours do. Arguments: the port, a folder.
 */
import fastify from 'fastify'
import { open } from 'lmdb'

const documents = open({ path: process.argv[3], encoding: 'json', overlappingSync: false })
await documents.put('one', { id: 'one', data: {} })
let last = 0
const app = fastify()
app.post('/tables/:table/docs', async (request, reply) => {
  const document = { id: ++last, data: request.body.data }
  await documents.put(document.id, document)
  reply.code(201)
  return document
})
app.get('/tables/:table/docs/:id', request => documents.get(request.params.id))
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
