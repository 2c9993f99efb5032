import { createServer, get, Agent, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { connectionGuard } from './connection-guard.ts'

const KEY = 'k'.repeat(43)
const HEADER = 'x-ryo-faas-instance-key'

async function served(key: string | undefined) {
  const guard = connectionGuard(key)
  const seen: string[] = []
  const server = createServer((request, response) => {
    if (!guard.admits(request, response)) return
    seen.push(JSON.stringify([request.headers, request.headersDistinct, request.rawHeaders]))
    response.end('done')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return {
    seen,
    ask: async (shown: string | undefined, agent: Agent | false = false) => {
      const headers = shown === undefined ? {} : { [HEADER]: shown }
      const [response] = (await once(get({ port, agent, headers }), 'response')) as [IncomingMessage]
      return { status: response.statusCode, body: await text(response), connection: response.headers.connection }
    },
  }
}

test('a connection that does not show the key is answered nothing, and closed', async () => {
  const { ask, seen } = await served(KEY)
  for (const shown of [undefined, '', 'k', KEY + 'k', 'j'.repeat(43), 'k'.repeat(10_000)]) {
    expect(await ask(shown)).toMatchObject({ status: 403, connection: 'close' })
  }
  expect(seen).toEqual([])
})

test('the key is shown once for each connection, and handlers do not see it', async () => {
  const { ask, seen } = await served(KEY)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  for (const shown of [KEY, undefined, KEY])
    expect(await ask(shown, agent)).toMatchObject({ status: 200, body: 'done' })
  expect((await ask(undefined)).status).toBe(403)
  expect(seen.join()).not.toContain(KEY)
  expect(seen.join().toLowerCase()).not.toContain(HEADER)
})

test('without a key everybody is answered', async () => {
  const { ask } = await served(undefined)
  expect((await ask(undefined)).status).toBe(200)
})
