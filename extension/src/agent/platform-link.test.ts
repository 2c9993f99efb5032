import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answerProof } from 'ryo-faas/contract'
import { deploymentView, platformView } from '../testing/views-of-platform.ts'
import { until } from '../testing/until.ts'
import { PlatformLink } from './platform-link.ts'

const TOKEN = 'secret'

/** An agent of which we say what it answers. */
class FakeAgent {
  readonly streams = new Set<ServerResponse>()
  platform = platformView()
  deployments = [deploymentView()]
  looks = 0
  #server: Server | undefined

  async start(port = 0): Promise<number> {
    this.#server = createServer((request, response) => {
      const proof = answerProof(TOKEN, { url: request.url!, port: request.socket.localPort! })
      if (proof !== undefined) return void response.end(proof)
      if (request.url === '/v1/events') {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' })
        response.write('{"type":"hello"}\n')
        this.streams.add(response)
        return
      }
      if (request.url === '/v1/platform') this.looks++
      const body = request.url === '/v1/platform' ? this.platform : { deployments: this.deployments }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(body))
    })
    await new Promise<void>(resolve => this.#server!.listen(port, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  async isFollowed(): Promise<void> {
    await until(() => this.streams.size > 0)
  }

  signal(event: object = { type: 'deployment-changed', name: 'Hello' }): void {
    for (const stream of this.streams) stream.write(`${JSON.stringify(event)}\n`)
  }

  /** Ends what is asked, but no stream. */
  refuse(): void {
    this.#server!.removeAllListeners('request').on('request', (_request, response: ServerResponse) =>
      response.destroy(),
    )
  }

  async stop(): Promise<void> {
    this.streams.clear()
    const closed = new Promise(resolve => this.#server?.close(resolve))
    this.#server?.closeAllConnections()
    if (this.#server) await closed
    this.#server = undefined
  }
}

let home: string
let agent: FakeAgent
let link: PlatformLink
let poke: () => void

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ryo-faas-link-'))
  agent = new FakeAgent()
  link = new PlatformLink({
    home,
    watch: onChange => {
      poke = onChange
      return { dispose: () => undefined }
    },
    log: () => undefined,
  })
})

afterEach(async () => {
  link.close()
  await agent.stop()
  await rm(home, { recursive: true })
})

async function announce(port: number): Promise<void> {
  const file = { url: `http://127.0.0.1:${port}`, pid: 1, startedAt: 'x', project: 'rfa', version: '0' }
  await writeFile(join(home, 'token'), 'secret')
  await writeFile(join(home, 'agent.json'), JSON.stringify(file))
}

test('nobody is asked before somebody wants to know', () => {
  expect(link.state).toEqual({ kind: 'unknown' })
})

test('a platform that comes is found, followed, and missed when it goes', async () => {
  link.follow()
  await until(() => link.state.kind === 'absent')
  const port = await agent.start()
  await announce(port)
  poke()
  await until(() => link.state.kind === 'connected')
  expect(link.deployment('Hello')?.version).toBe(3)

  agent.deployments = [deploymentView({ version: 4 })]
  await agent.isFollowed()
  agent.signal()
  await until(() => link.deployment('Hello')?.version === 4)
  await rm(join(home, 'agent.json'))
  await agent.stop()
  await until(() => link.state.kind === 'absent')
})

test('many signals are one look', async () => {
  await announce(await agent.start())
  link.follow()
  await until(() => link.state.kind === 'connected')
  await agent.isFollowed()
  const before = agent.looks
  agent.deployments = [deploymentView({ version: 9 })]
  for (let count = 0; count < 50; count++) agent.signal()
  await until(() => link.deployment('Hello')?.version === 9)
  expect(agent.looks - before).toBeLessThan(5)
})

test('counts of calls come with their event, and events of a newer agent are no trouble', async () => {
  await announce(await agent.start())
  link.follow()
  await until(() => link.state.kind === 'connected')
  await agent.isFollowed()
  agent.signal({ type: 'something-new', of: 'tomorrow' })
  agent.signal({ type: 'calls-counted', counts: [{ route: 'hello', calls: 77, errors: 5, p95Ms: 3 }] })
  await until(() => link.deployment('Hello')?.calls === 77)
  expect(link.deployment('Hello')).toMatchObject({ version: 3, errors: 5, p95Ms: 3 })
  // The same connection, which the unknown event did not end.
  expect(agent.streams.size).toBe(1)
})

test('while a killed agent is away the last state stays, and it is found again', async () => {
  const port = await agent.start()
  await announce(port)
  link.follow()
  await until(() => link.state.kind === 'connected')
  await agent.stop()
  await until(() => link.state.kind === 'away')
  expect(link.deployment('Hello')?.version).toBe(3)
  expect(link.isReady).toBe(false)
  await agent.start(port)
  await until(() => link.state.kind === 'connected')
})

test('a look resolves when the state is what was seen', async () => {
  await announce(await agent.start())
  await link.refresh()
  expect(link.isReady).toBe(true)
  agent.deployments = []
  await link.refresh()
  expect(link.snapshot?.deployments).toEqual([])
})

test('the store has a door while it is running', async () => {
  await announce(await agent.start())
  await link.refresh()
  expect(link.store).toBeUndefined()
  agent.platform = platformView({
    parts: [{ name: 'store', state: 'running', restarts: 0, address: '127.0.0.1:9997' }],
  })
  await link.refresh()
  expect(link.store).toEqual({ url: 'http://127.0.0.1:9997', token: TOKEN })
  agent.platform = platformView({
    parts: [{ name: 'store', state: 'failing', restarts: 1, address: '127.0.0.1:9997' }],
  })
  await link.refresh()
  expect(link.store).toBeUndefined()
})

test('a look at an agent that has just gone finds it gone, before its stream tells', async () => {
  await announce(await agent.start())
  link.follow()
  await until(() => link.state.kind === 'connected')
  await agent.isFollowed()
  await rm(join(home, 'agent.json'))
  agent.refuse()
  await link.refresh()
  expect(link.state.kind).toBe('absent')
})

test('a look at an agent that was replaced is one at its successor, before the stream tells', async () => {
  await announce(await agent.start())
  link.follow()
  await until(() => link.state.kind === 'connected')
  await agent.isFollowed()
  const successor = new FakeAgent()
  try {
    successor.deployments = [deploymentView({ version: 5 })]
    await announce(await successor.start())
    agent.refuse()
    await link.refresh()
    expect(link.deployment('Hello')?.version).toBe(5)
  } finally {
    link.close()
    await successor.stop()
  }
})
