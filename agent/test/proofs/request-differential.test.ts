/**
 * The same bytes sent to our proxy, to nginx and to a bare Node server: for requests that ours and another one pass on,
 * they agree on where each ends. A difference here would allow request smuggling.
 *
 * Requests are well-formed ones with random changes from a seed: `FUZZ_SEED`, `FUZZ_ROUNDS`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../src/host/index.ts'
import { Stage } from '../../src/services/proxy/proxy-testing.ts'
import { SeededRandom } from '../chaos/seeded-random.ts'
import { programOf } from '../support/system-packages.ts'
import { until } from '../support/until.ts'
import { mutated } from './mutations.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? (IS_WHOLE ? 320 : 160))
/** Cases that run concurrently; each has its own servers, so that what arrives belongs to one case. */
const SLOTS = 64
/** After this much silence every server closes a connection, which ends a case. */
const SILENCE_MS = 200
/** For a case in which they differed: so busy is no machine that a server takes this for silence. */
const LONG_SILENCE_MS = 5_000

const PATH = '/functions/fn'
const HEAD = 'Host: localhost\r\n'
const SECOND = `GET ${PATH}/second HTTP/1.1\r\n${HEAD}\r\n`
const SEEDS = [
  `GET ${PATH}/a HTTP/1.1\r\n${HEAD}\r\n${SECOND}`,
  `POST ${PATH}/a HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nhello${SECOND}`,
  `POST ${PATH}/a HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${SECOND}`,
  `POST ${PATH}/a HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n${SECOND}`,
  `POST ${PATH}/a HTTP/1.1\r\n${HEAD}Content-Length: ${SECOND.length}\r\n\r\n${SECOND}`,
  `PUT ${PATH}/a?b=c HTTP/1.1\r\n${HEAD}X-A: 1\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n${SECOND}`,
]
const DICTIONARY = [
  'Content-Length: 5\r\n',
  'Content-Length: 6\r\n',
  'Content-Length: +5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length : 5\r\n',
  'Content_Length: 5\r\n',
  'content-length:\t5 \r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding:\x0bchunked\r\n',
  'Transfer-Encoding: "chunked"\r\n',
  ' Transfer-Encoding: chunked\r\n',
  'X-Fold: a\r\n b\r\n',
  'Connection: close\r\n',
  'Connection: content-length\r\n',
  'Connection: transfer-encoding\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\n',
  'Host: other\r\n',
  ': nameless\r\n',
  'No colon\r\n',
  SECOND,
  '\r\n',
  '\n',
  '\r',
  '\0',
  '0x5\r\n',
  '0\r\n\r\n',
  '00000000000000005\r\n',
  '-1\r\n',
  ';x="\r\n"\r\n',
]

/** A complete request, as `method path body`. */
class Recorder {
  readonly #requests: string[] = []

  /** @returns what arrived since the last call */
  taken(): string[] {
    return this.#requests.splice(0)
  }

  readonly listen = (request: IncomingMessage, answer: () => void): void => {
    let body = ''
    request.setEncoding('latin1')
    request.on('data', (piece: string) => (body += piece))
    request.on('end', () => {
      const path = request.url!.replace(new RegExp(`^${PATH}`, 'i'), '')
      this.#requests.push(`${request.method} ${path} ${JSON.stringify(body)}`)
      answer()
    })
    request.on('error', () => undefined) // Aborted: it did not arrive.
  }
}

interface Slot {
  silenceMs: number
  servers: { name: string; port: number; recorder: Recorder }[]
}

const stage = new Stage()
let nginx: ChildProcess
let folder: string
let slots: Slot[]
let patient: Slot

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-nginx-'))
  slots = await Promise.all(Array.from({ length: SLOTS }, () => makeSlot(SILENCE_MS)))
  patient = await makeSlot(LONG_SILENCE_MS)
  nginx = await startNginx([...slots, patient])
})
afterAll(async () => {
  const hasExited = nginx.exitCode !== null || nginx.signalCode !== null
  const exited = hasExited || once(nginx, 'exit')
  nginx.kill('SIGKILL')
  await exited
  await stage.end()
  await rm(folder, { recursive: true, force: true })
})

async function makeSlot(silenceMs: number): Promise<Slot> {
  const [ours, theirs, bare] = [new Recorder(), new Recorder(), new Recorder()]
  const instance = await stage.http((request, response) => ours.listen(request, () => response.end('ok')))
  const timeouts = { headersTimeoutMs: silenceMs, keepAliveTimeoutMs: silenceMs }
  const proxy = await stage.proxy(timeouts)
  await stage.serve(proxy, [instance], { timeoutMs: 2 * silenceMs })
  const upstream = await stage.http((request, response) => theirs.listen(request, () => response.end('ok')))
  const options = { headersTimeout: silenceMs, keepAliveTimeout: silenceMs, requestTimeout: 2 * silenceMs }
  const server = http.createServer({ ...options, connectionsCheckingInterval: 50 }, (request, response) =>
    bare.listen(request, () => response.end('ok')),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => void server.close())
  return {
    silenceMs,
    servers: [
      { name: 'ours', port: proxy.address.port, recorder: ours },
      { name: 'Node', port: (server.address() as AddressInfo).port, recorder: bare },
      // The port of its upstream; `startNginx` chooses its own.
      { name: 'nginx', port: upstream.port, recorder: theirs },
    ],
  }
}

async function startNginx(all: readonly Slot[]): Promise<ChildProcess> {
  await mkdir(join(folder, 'temp'))
  const blocks: string[] = []
  for (const { servers, silenceMs } of all) {
    const one = servers.find(({ name }) => name === 'nginx')!
    const port = await freePort()
    blocks.push(`server {
      listen 127.0.0.1:${port};
      client_header_timeout ${silenceMs}ms; client_body_timeout ${silenceMs}ms; keepalive_timeout ${silenceMs}ms;
      location ~* ^${PATH}(/|$) { proxy_pass http://127.0.0.1:${one.port}; proxy_http_version 1.1; }
      location / { return 404; }
    }`)
    one.port = port
  }
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${join(folder, 'temp', name)};`,
  )
  const config = `daemon off; master_process off; pid ${join(folder, 'pid')}; error_log ${join(folder, 'log')};
    events { worker_connections 1024; }
    http {
      access_log off; ${temporary.join(' ')}
      lingering_close off; merge_slashes off;
      ${blocks.join('\n')}
    }`
  await writeFile(join(folder, 'nginx.conf'), config)
  const program = programOf('nginx-light')!
  const child = spawn(program, ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'inherit' })
  const { port } = all.at(-1)!.servers.find(({ name }) => name === 'nginx')!
  await until(async () => (await accepts(port)) || undefined)
  return child
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Resolves when the server has closed the connection. */
function send(port: number, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: false }, () => socket.write(bytes))
    socket.resume()
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve())
  })
}

interface Outcome {
  /** How many requests reached the function. */
  passedOn: number
  differences: string[]
}

/** Resolves when all servers have closed their connections. */
async function compare({ servers }: Slot, bytes: Buffer): Promise<Outcome> {
  await Promise.all(servers.map(({ port }) => send(port, bytes)))
  const [ours, ...others] = servers.map(({ name, recorder }) => ({ name, requests: recorder.taken() }))
  const differences = others.flatMap(({ name, requests }) => {
    // The stricter one sees fewer; what it sees, the other sees as well. Pipelined ones may overtake each other.
    const [fewer, more] = [ours!.requests, requests].sort((x, y) => x.length - y.length) as [string[], string[]]
    const missing = fewer.filter(request => !more.includes(request))
    if (missing.length === 0) return []
    return [
      `ours: ${ours!.requests.join(', ')}; ${name}: ${requests.join(', ')}; of ${JSON.stringify(bytes.toString('latin1'))}`,
    ]
  })
  return { passedOn: ours!.requests.length, differences }
}

test(`${ROUNDS} changed requests (seed ${SEED}) end where nginx and Node say they end`, async () => {
  const random = new SeededRandom(SEED)
  let passedOn = 0
  for (let round = 0; round < ROUNDS; round += SLOTS) {
    const cases = slots.map(slot => ({ slot, bytes: mutated(random, SEEDS, DICTIONARY) }))
    const outcomes = await Promise.all(cases.map(({ slot, bytes }) => compare(slot, bytes)))
    for (const [index, outcome] of outcomes.entries()) {
      passedOn += outcome.passedOn
      if (outcome.differences.length === 0) continue
      // On a busy machine one of them may have given up early.
      expect((await compare(patient, cases[index]!.bytes)).differences).toEqual([])
    }
  }
  expect(passedOn).toBeGreaterThan(ROUNDS / 2)
})
