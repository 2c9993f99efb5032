/** Fastify with nothing behind it: parses the same body and stores nothing. Argument: the port. */
import fastify from 'fastify'

const app = fastify()
app.post('/tables/:table/docs', (request, reply) => {
  reply.code(201)
  return { id: 'none', data: request.body.data }
})
app.get('/tables/:table/docs/:id', () => ({ hello: 'world' }))
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
