import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { answerProof } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { calls } from './calls.ts'

const call = (id: string) => ({ id, function: 'fn', status: 'queued', acceptedAt: '', attempts: [] })
/** Pages as the proxy returns them for a queue with wide gaps. */
const PAGES: Record<string, object> = {
  '': { calls: [], cursor: 'calls:9' },
  'calls:9': { calls: [call('a'), call('over')], cursor: 'states:5' },
  'states:5': { calls: [call('b')] },
}

test('cancel --all goes through all pages, also past an empty one, and does not count calls that have ended', async () => {
  const cancelled: string[] = []
  const server = createServer(({ method, url, socket }, response) => {
    const proof = answerProof('token', { url: url!, port: socket.localPort! })
    if (proof !== undefined) return response.end(proof)
    const { pathname, searchParams } = new URL(url!, 'http://proxy')
    if (method === 'GET') return response.end(JSON.stringify(PAGES[searchParams.get('cursor') ?? '']))
    const id = pathname.split('/').at(-1)!
    if (id === 'over') {
      response.writeHead(409, { 'x-ryo-faas-error': 'CALL_FINAL' })
      return response.end(JSON.stringify({ error: { code: 'CALL_FINAL', message: 'it is over', requestId: 'r' } }))
    }
    cancelled.push(id)
    return response.end(JSON.stringify({ ...call(id), status: 'cancelled' }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const stdout = new PassThrough()
  const output = new Output({ stdout, stderr: new PassThrough(), environment: {} } as never, false)
  const proxyUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const connect = async () => ({ door: async () => ({ url: proxyUrl, token: 'token' }) })
  const context = { output, connect, signal: new AbortController().signal } as unknown as Context
  await calls.run({ action: 'cancel', all: true }, context)
  stdout.end()
  expect(await text(stdout)).toBe('2 calls cancelled\n')
  expect(cancelled).toEqual(['a', 'b'])
})
