import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { CallsClient } from '../../client/index.ts'
import { answerProof } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { invoke } from './invoke.ts'

/** A server that stands in for the proxy. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    const proof = answerProof('token', { url: request.url!, port: request.socket.localPort! })
    if (proof === undefined) listener(request, response)
    else response.end(proof)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What `invoke fn` prints on stdout. */
async function invoked(proxyUrl: string, args: Record<string, unknown> = {}): Promise<string> {
  const stdout = new PassThrough()
  const output = new Output({ stdout, stderr: new PassThrough(), environment: {} } as never, false)
  const connect = async () => ({ door: async () => ({ url: proxyUrl, token: 'token' }) })
  const context = { output, connect, signal: new AbortController().signal } as unknown as Context
  await invoke.run({ name: 'fn', path: '', ...args }, context)
  stdout.end()
  return text(stdout)
}

test('a redirect is printed, not followed', async () => {
  const asked: string[] = []
  const url = await serve((request, response) => {
    asked.push(request.url!)
    response.writeHead(302, { location: '/elsewhere' }).end('over there')
  })
  expect(await invoked(url, { include: true })).toMatch(
    /^HTTP 302 Found\n(.*\n)*location: \/elsewhere\n(.*\n)*over there$/,
  )
  expect(asked).toEqual(['/functions/fn'])
})

test('the operator shows the proxy, and nothing else, who it is', async () => {
  const shown: (string | undefined)[][] = []
  const url = await serve(({ headers }, response) => {
    shown.push([headers.authorization, headers['proxy-authorization']])
    response.end('done')
  })
  await invoked(url, { header: ['Authorization: mine'] })
  expect(shown).toEqual([['mine', 'Bearer token']])
  const stranger = createServer((_request, response) => void response.end('{}')).listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  onTestFinished(() => void stranger.close())
  const { port } = stranger.address() as AddressInfo
  await expect(invoked(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
})

test('--wait prints a result that is a redirect', async () => {
  const asked: string[] = []
  const url = await serve((request, response) => {
    asked.push(request.url!)
    response.writeHead(303, { location: '/elsewhere' }).end('over there')
  })
  const result = await new CallsClient({ url, token: 'token' }, new AbortController().signal).result('id')
  expect([result.status, await result.text()]).toEqual([303, 'over there'])
  expect(asked).toEqual(['/calls/id/result'])
})

test('--wait fails if the result was too large to be kept', async () => {
  const asked: string[] = []
  const call = {
    id: 'id',
    function: 'fn',
    status: 'succeeded',
    acceptedAt: '2026-01-01T00:00:00.000Z',
    attempts: [],
    error: { code: 'RESULT_TOO_LARGE', message: 'the function answered with 20971520 bytes' },
    result: { status: 200, headers: [], bodyBytes: 20_971_520, tooLarge: true, href: '/calls/id/result' },
  }
  const url = await serve((request, response) => {
    asked.push(request.url!)
    if (request.method === 'POST') response.writeHead(202, { 'x-call-id': 'id' }).end()
    else response.end(`data: ${JSON.stringify(call)}\n\n`)
  })
  const waiting = invoked(url, { async: true, wait: true, method: 'POST' })
  await expect(waiting).rejects.toThrow('RESULT_TOO_LARGE: the function answered with 20971520 bytes')
  expect(asked).toEqual(['/functions/fn', '/calls/id/events'])
})

test('it waits for a function that is silent for a long time', async () => {
  // Shortens the time after which `fetch` gives up.
  const before = getGlobalDispatcher()
  const impatient = new Agent({ headersTimeout: 50, bodyTimeout: 50 })
  setGlobalDispatcher(impatient)
  onTestFinished(async () => {
    setGlobalDispatcher(before)
    await impatient.destroy()
  })
  const held: ServerResponse[] = []
  const arrived = new PassThrough({ objectMode: true })
  const url = await serve((_request, response) => {
    held.push(response)
    arrived.write(response)
  })
  const answer = invoked(url)
  await once(arrived, 'data')
  // It was sent later and has already been given up.
  await expect(fetch(url)).rejects.toThrow()
  held[0]!.write('at ')
  await expect(fetch(url)).rejects.toThrow()
  held[0]!.end('last')
  expect(await answer).toBe('at last')
})
