import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { AgentClient } from '../../client/index.ts'
import { answerProof } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { store } from './store.ts'

/** Runs it with a listener that is agent and store in one. @returns the requests to the store */
async function ask(args: Record<string, unknown>): Promise<string[]> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const address = `127.0.0.1:${request.socket.localPort}`
    const proof = answerProof('secret', { url: request.url!, port: request.socket.localPort! })
    if (proof !== undefined) return void response.end(proof)
    if (request.url !== '/v1/platform') {
      asked.push(`${request.method} ${request.url}`)
      return void response.writeHead(204).end()
    }
    const part = { name: 'store', state: 'running', address, restarts: 0 }
    const platform = { project: 'rfa', home: '/', version: '0', engine: 'process', engineNote: '', parts: [part] }
    response.end(JSON.stringify({ ...platform, proxyUrl: `http://${address}`, phase: { kind: 'ready' } }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), new PassThrough()]
  try {
    await store.run(args, {
      stdin,
      output: new Output({ stdout, stderr, environment: {} } as never, false),
      signal: new AbortController().signal,
      connect: async () => new AgentClient({ url, token: 'secret' }),
    } as unknown as Context)
  } catch (error) {
    expect(asked).toEqual([])
    throw error
  }
  return asked
}

test('a table is dropped only if confirmed', async () => {
  const drop = { action: 'drop', args: ['orders'] }
  await expect(ask(drop)).rejects.toMatchObject({ code: 'INVALID_OPTION', hint: 'Add --yes to confirm.' })
  expect(await ask({ ...drop, yes: true })).toEqual(['DELETE /tables/orders'])
})
