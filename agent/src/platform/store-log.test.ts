import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { answerProof } from '../contract/index.ts'
import { nextChange } from './store-log.ts'

async function storeThatAnswers(body: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    response.end(answerProof('token', { url: request.url!, port: request.socket.localPort! }) ?? body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

test('the next change follows the last of the log', async () => {
  const store = await storeThatAnswers('{"first":1,"last":7}')
  expect(await nextChange({ url: store.url, token: 'token' })).toEqual({ kind: 'sequence', sequence: 8 })
  store.close()
})

test('a store that is down or returns something else is an error that says where to look', async () => {
  const store = await storeThatAnswers('<html>')
  const refused = { code: 'STORE_UNAVAILABLE', hint: expect.stringContaining('details') as string }
  await expect(nextChange({ url: store.url, token: 'token' })).rejects.toMatchObject(refused)
  store.close()
  await expect(nextChange({ url: 'http://127.0.0.1:1', token: 'token' })).rejects.toMatchObject(refused)
})
