/** What `stopFaas` prints when the agent does not respond. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { answerProof, type PlatformView } from '../../contract/index.ts'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { stopFaas } from './stop-faas.ts'

const PLATFORM: PlatformView = {
  project: 'rfa',
  home: '/home/x/.ryo-faas',
  version: '0.1.0',
  engine: 'process',
  engineNote: '',
  proxyUrl: 'http://127.0.0.1:9999',
  phase: { kind: 'ready' },
  parts: [],
}

type Answer = (response: ServerResponse, home: string) => Promise<void>

const isReady: Answer = async response => void response.end(JSON.stringify(PLATFORM))

/** What it prints, with an agent that meets `shutdown`, and questions after the platform, like this. */
async function stopped(shutdown: Answer, platform = isReady): Promise<{ result: string; progress: string }> {
  const home = await mkdtemp(join(tmpdir(), 'ryo-faas-stop-'))
  const server = createServer((request, response) => {
    const proof = answerProof('secret', { url: request.url!, port: request.socket.localPort! })
    if (proof !== undefined) return void response.end(proof)
    void (request.url === '/v1/shutdown' ? shutdown : platform)(response, home)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await rm(home, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(join(home, 'token'), 'secret')
  await writeFile(
    join(home, 'agent.json'),
    JSON.stringify({ url, pid: 1, startedAt: 'x', project: 'rfa', version: '0' }),
  )
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = new Output({ stdout, stderr, environment: {} } as never, false)
  await stopFaas.run({}, {
    output,
    home,
    agentGone: async () => undefined,
    signal: new AbortController().signal,
  } as unknown as Context)
  stdout.end()
  stderr.end()
  return { result: await text(stdout), progress: await text(stderr) }
}

test('a response cut off because someone else stopped the platform is not a failure', async () => {
  const beforeItsHead: Answer = async (response, home) => {
    await rm(join(home, 'agent.json'))
    response.destroy()
  }
  expect((await stopped(beforeItsHead)).result).toBe('nothing is running\n')
  const inItsMiddle: Answer = async (response, home) => {
    await rm(join(home, 'agent.json'))
    response.writeHead(200, { 'content-length': 100 })
    response.write('{"stopped":', () => response.destroy())
  }
  expect((await stopped(inItsMiddle)).result).toBe('nothing is running\n')
})

test('an agent that exits without stopping the platform is reported', async () => {
  const killed: Answer = async response => void response.destroy()
  await expect(stopped(killed)).rejects.toMatchObject({ code: 'NOT_RUNNING' })
})

test('it waits for a platform that is already being stopped, and says so once', async () => {
  let asked = 0
  const isStopping: Answer = async (response, home) => {
    asked += 1
    if (asked === 5) await rm(join(home, 'agent.json'))
    response.end(JSON.stringify({ ...PLATFORM, phase: { kind: 'stopping' } }))
  }
  const neverAsked: Answer = async response => void response.writeHead(500).end()
  const { result, progress } = await stopped(neverAsked, isStopping)
  expect(result).toBe('nothing is running\n')
  expect(progress.match(/already being stopped/g)).toHaveLength(1)
  expect(asked).toBe(5)
})
