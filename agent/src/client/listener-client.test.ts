import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { answerProof, hashOf, PROOF_PATH, RyoFaasError } from '../contract/index.ts'
import { TestAuthority } from '../services/proxy/front/front-testing.ts'
import { ListenerClient, type Pace } from './listener-client.ts'

const TOKEN = 'the-token-of-the-operator'
/** Timeout for listeners that never respond. */
const IMPATIENT_MS = 100
/** Timeout for those that do, on a busy machine. */
const PATIENT_MS = 1_000

interface Server {
  url: string
  port: number
  /** Received request lines, with the token if there was one. */
  heard: string[]
  sockets: Set<Socket>
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

async function serve(listener: Listener, port = 0): Promise<Server & { close(): Promise<void> }> {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = http.createServer((request, response) => {
    const { authorization } = request.headers
    heard.push(request.url!.split('?')[0]! + (authorization === undefined ? '' : ` ${authorization}`))
    listener(request, response)
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise(done => server.close(done))
  }
  onTestFinished(close)
  const bound = (server.address() as AddressInfo).port
  return { url: `http://127.0.0.1:${bound}`, port: bound, heard, sockets, close }
}

/** Proves itself as ours, and leaves all other requests to `listener`. */
const ours =
  (listener: Listener): Listener =>
  (request, response) => {
    const proof = answerProof(TOKEN, { url: request.url!, port: request.socket.localPort! })
    if (proof === undefined) listener(request, response)
    else response.end(proof)
  }

const clientOf = ({ url }: { url: string }, patienceMs?: number) =>
  new ListenerClient({
    url,
    token: TOKEN,
    name: 'the agent',
    unreachable: (message, cause) => new RyoFaasError('NOT_RUNNING', message, { cause }),
    ...(patienceMs !== undefined && { patienceMs }),
  })

test('the token goes to a listener that proved itself', async () => {
  const server = await serve(ours((_request, response) => response.end('hello')))
  const client = clientOf(server)
  expect(await (await client.send('GET', '/a')).text()).toBe('hello')
  expect(await (await client.send('GET', '/b')).text()).toBe('hello')
  expect(server.heard).toEqual([PROOF_PATH, `/a Bearer ${TOKEN}`, `/b Bearer ${TOKEN}`])
})

test('through a tunnel, a listener proves that it knows the hash of a token, or says that it does not', async () => {
  const [known, revoked] = [`ryotoken_${'a'.repeat(46)}`, `ryotoken_${'b'.repeat(46)}`]
  const far = 9998
  const hashOfToken = (id: string) => (id === 'a'.repeat(8) ? hashOf(known) : undefined)
  const server = await serve((request, response) => {
    response.end(answerProof(TOKEN, { url: request.url!, port: far, hashOfToken }) ?? 'hello')
  })
  const folder = await mkdtemp(join(tmpdir(), 'rfa-tunnel-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const socketPath = join(folder, 's')
  const tunnel = net.createServer(near => near.pipe(net.connect(server.port, '127.0.0.1')).pipe(near))
  tunnel.listen(socketPath)
  await once(tunnel, 'listening')
  onTestFinished(() => void tunnel.close())
  const send = (token: string, port = far) => {
    const unreachable = (message: string, cause: unknown) => new RyoFaasError('NOT_RUNNING', message, { cause })
    const door = { url: `http://127.0.0.1:${port}/v1/via/proxy`, socketPath, token }
    return new ListenerClient({ ...door, name: 'the proxy', unreachable }).send('GET', '/calls')
  }
  expect(await (await send(known)).text()).toBe('hello')
  await expect(send(revoked)).rejects.toMatchObject({ code: 'UNAUTHORIZED', message: /it was revoked/ })
  await expect(send(known, far + 1)).rejects.toMatchObject({ code: 'NOT_RUNNING', message: /another program/ })
  expect(server.heard.filter(line => line.includes('Bearer'))).toEqual([`/v1/via/proxy/calls Bearer ${known}`])
})

test('over https the certificate is the proof: with another name or authority, nothing is sent', async () => {
  const authority = await TestAuthority.create()
  const heard: string[] = []
  const server = https.createServer(await authority.sign(['localhost']), (request, response) => {
    heard.push(`${request.headers.host} ${request.headers.authorization}`)
    response.end('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const send = (host: string, trust: { ca?: string }) => {
    const unreachable = (message: string, cause: unknown) => new RyoFaasError('NOT_RUNNING', message, { cause })
    const door = { url: `https://${host}:${port}`, token: TOKEN, ...trust }
    return new ListenerClient({ ...door, name: 'the agent', unreachable }).send('GET', '/')
  }
  const response = await send('localhost', { ca: authority.pem })
  expect(await response.text()).toBe('hello')
  await expect(send('localhost', {})).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  await expect(send('127.0.0.1', { ca: authority.pem })).rejects.toMatchObject({ code: 'NOT_RUNNING' })
  expect(heard).toEqual([`localhost:${port} Bearer ${TOKEN}`])
})

test.each<[string, Listener]>([
  ['answers everything', (_request, response) => response.end('{"proof":"x"}')],
  ['knows no such path', (_request, response) => response.writeHead(404).end('{}')],
  ['answers without end', (_request, response) => void response.write('x'.repeat(10_000))],
  [
    'proves another token',
    (request, response) =>
      response.end(answerProof('its own token', { url: request.url!, port: request.socket.localPort! })),
  ],
])('a program on the port that %s never sees the token', async (_what, listener) => {
  const squatter = await serve(listener)
  const sent = clientOf(squatter).send('POST', '/v1/deploys', { body: '{"secret":1}', pace: 'long' })
  await expect(sent).rejects.toMatchObject({ code: 'NOT_RUNNING', message: /another program is listening on http/ })
  expect(squatter.heard).toEqual([PROOF_PATH])
})

test('a program that relays the challenge to the real listener on another port is detected', async () => {
  const real = await serve(ours((_request, response) => response.end('hello')))
  const relay = await serve((request, response) => {
    http.get(real.url + request.url!, answer => answer.pipe(response))
  })
  await expect(clientOf(relay).send('GET', '/')).rejects.toThrow('another program is listening')
  expect([real.heard, relay.heard]).toEqual([[PROOF_PATH], [PROOF_PATH]])
})

test('every connection is checked: a program that takes over the port in between sees nothing', async () => {
  const real = await serve(ours((_request, response) => response.end('hello')))
  const client = clientOf(real)
  await (await client.send('GET', '/')).text()
  await real.close()
  const squatter = await serve((_request, response) => response.end('{"proof":""}'), real.port)
  await expect(client.send('GET', '/')).rejects.toThrow('another program is listening')
  expect(squatter.heard).toEqual([PROOF_PATH])
})

test('a closed port is reported as such', async () => {
  const server = await serve(ours(() => undefined))
  await server.close()
  await expect(clientOf(server).send('GET', '/')).rejects.toMatchObject({
    message: /^the agent at .* is not responding$/,
  })
})

test('it gives up on a listener that accepts connections and does nothing', async () => {
  const sockets: Socket[] = []
  const stopped = net.createServer(socket => void sockets.push(socket)).listen(0, '127.0.0.1')
  await once(stopped, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    stopped.close()
  })
  const url = `http://127.0.0.1:${(stopped.address() as AddressInfo).port}`
  for (const pace of ['prompt', 'long', 'stream'] as const) {
    await expect(clientOf({ url }, IMPATIENT_MS).send('GET', '/', { pace })).rejects.toThrow('is not responding')
  }
})

test.each<Pace>(['prompt', 'stream'])('an answer (%s) whose head does not come is given up', async pace => {
  const server = await serve(ours(() => undefined))
  await expect(clientOf(server, PATIENT_MS).send('GET', '/', { pace })).rejects.toThrow('is not responding')
})

test('it gives up on an ordinary response that stops in the middle', async () => {
  const server = await serve(ours((_request, response) => void response.write('half')))
  const response = await clientOf(server, PATIENT_MS).send('GET', '/')
  await expect(response.text()).rejects.toThrow()
})

test('it waits for long work as long as the listener proves that it is alive, and no longer', async () => {
  let lives = true
  const answers: ServerResponse[] = []
  const server = await serve((request, response) => {
    if (lives || !request.url!.startsWith(PROOF_PATH)) ours(() => void answers.push(response))(request, response)
  })
  const proofs = () => server.heard.filter(what => what === PROOF_PATH).length
  const client = clientOf(server, PATIENT_MS)
  const first = client.send('POST', '/work', { pace: 'long' })
  await expect.poll(proofs, { timeout: 20_000 }).toBeGreaterThan(2)
  answers[0]!.end('done')
  expect(await (await first).text()).toBe('done')

  const second = client.send('POST', '/work', { pace: 'long' })
  await expect.poll(() => answers.length).toBe(2)
  lives = false
  await expect(second).rejects.toThrow('is not responding')
})

test('a request ends at once when its signal aborts', async () => {
  const server = await serve(ours(() => undefined))
  const abort = new AbortController()
  const sent = clientOf(server).send('GET', '/', { pace: 'long', signal: abort.signal })
  await expect.poll(() => server.heard.length).toBe(2)
  abort.abort()
  await expect(sent).rejects.toMatchObject({ code: 'CANCELLED' })
})

test('it returns redirects, responses without a body, and decompressed bodies', async () => {
  const server = await serve(
    ours((request, response) => {
      if (request.url === '/redirect')
        response.writeHead(302, { location: '/x', 'set-cookie': ['a', 'b'] }).end('there')
      else if (request.url === '/none') response.writeHead(204).end()
      else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('packed'))
    }),
  )
  const client = clientOf(server)
  const redirect = await client.send('GET', '/redirect')
  expect([redirect.status, redirect.headers.getSetCookie(), await redirect.text()]).toEqual([302, ['a', 'b'], 'there'])
  expect((await client.send('GET', '/none')).body).toBeNull()
  expect(await (await client.send('GET', '/packed')).text()).toBe('packed')
})
