import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Door } from 'ryo-faas/client'
import { answerProof } from 'ryo-faas/contract'
import { storeNodes } from './store-view.ts'

const COUNT = 150
const documents = Array.from({ length: COUNT }, (_, index) => ({
  id: `d${index}`,
  table: 'notes',
  version: 1,
  data: {},
  createdAt: '',
  editedAt: '',
}))

let server: Server
let store: Door
beforeAll(async () => {
  server = createServer(({ url: asked = '', socket }, response) => {
    const proof = answerProof('token', { url: asked, port: socket.localPort! })
    if (proof !== undefined) return void response.end(proof)
    const limit = Number(new URL(asked, 'http://x').searchParams.get('limit'))
    const tables = [{ table: 'notes', documents: COUNT, bytes: 0, indexes: [] }]
    const answer = asked === '/tables' ? { tables } : { documents: documents.slice(0, limit) }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  store = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'token' }
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('documents that are not shown are shown by a click on their row', async () => {
  const wide = new Set<string>()
  const [table] = await storeNodes(store, wide)
  const shown = await table!.load!()
  expect(shown).toHaveLength(101)
  expect(shown.at(-1)).toMatchObject({
    label: 'and 50 more',
    command: { id: 'ryo-faas.moreDocuments', arguments: ['notes'] },
  })
  wide.add('notes')
  const [again] = await storeNodes(store, wide)
  expect(await again!.load!()).toHaveLength(COUNT)
})
