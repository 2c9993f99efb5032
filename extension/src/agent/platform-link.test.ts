import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answerProof, RyoFaasError } from 'ryo-faas/contract'
import { deploymentView, platformView } from '../testing/views-of-platform.ts'
import { until } from '../testing/until.ts'
import { AgentClient, CallsClient } from 'ryo-faas/client'
import { thisMachine, unknownMachine, type Machine } from './machine.ts'
import { PlatformLink, type LinkState } from './platform-link.ts'

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
        response.once('close', () => this.streams.delete(response))
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
let chosen: Machine | undefined

beforeEach(async () => {
  chosen = undefined
  home = await mkdtemp(join(tmpdir(), 'ryo-faas-link-'))
  agent = new FakeAgent()
  link = new PlatformLink({
    machine: async () => chosen ?? thisMachine(home),
    located: deployment => deployment,
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

describe('with a server chosen', () => {
  let there: FakeAgent
  let port: number
  beforeEach(async () => {
    there = new FakeAgent()
    there.deployments = [deploymentView({ name: 'There' })]
    port = await there.start()
  })
  afterEach(() => there.stop())

  const shop = (more: Partial<Machine> = {}): Machine => ({
    ...unknownMachine('shop', new RyoFaasError('SERVER_NOT_FOUND', 'not used')),
    key: 'shop',
    connect: async () => new AgentClient({ url: `http://127.0.0.1:${port}`, token: TOKEN, server: 'shop' }),
    ...more,
  })

  test('everything is asked of it, through its agent, and nothing of this machine is left to see', async () => {
    await announce(await agent.start())
    link.follow()
    await until(() => link.state.kind === 'connected')
    await agent.isFollowed()
    const seen: LinkState[] = []
    link.onChange(state => seen.push(state))
    chosen = shop()
    poke()
    await until(() => link.deployment('There') !== undefined)
    expect(seen.map(({ kind }) => kind)).toEqual(['connecting', 'connected'])
    expect([link.server, link.deployment('Hello'), link.deployment('There')?.version]).toEqual(['shop', undefined, 3])
    const relayed = { url: `http://127.0.0.1:${port}/v1/via/proxy`, token: TOKEN, place: 'on the server "shop"' }
    expect(link.proxy).toEqual(relayed)
    expect((await link.client()).relay('proxy')).toEqual(relayed)
    // What goes on here is not heard of any more.
    await until(() => agent.streams.size === 0)
  })

  test('a command goes to what is chosen at that moment, before the change was noticed', async () => {
    await announce(await agent.start())
    await link.refresh()
    chosen = shop()
    expect((await link.client()).relay('store')).toBeDefined()
    await link.refresh()
    expect([link.server, link.deployment('There')?.name]).toEqual(['shop', 'There'])
  })

  test('an answer that comes after another one was chosen is not shown', async () => {
    await announce(await agent.start())
    let answer: () => void = () => undefined
    const held = new Promise<void>(resolve => (answer = resolve))
    chosen = shop({
      connect: async () => {
        await held
        return shop().connect()
      },
    })
    const looked = link.refresh()
    await until(() => link.state.kind === 'connecting')
    chosen = undefined
    poke()
    answer()
    await looked
    await until(() => link.state.kind === 'connected')
    expect([link.server, link.deployment('There')]).toEqual([undefined, undefined])
    expect(link.deployment('Hello')).toBeDefined()
  })

  test('a lost connection leaves what was known, says why it does not come back, and comes back', async () => {
    chosen = shop()
    link.follow()
    await until(() => link.state.kind === 'connected')
    await there.isFollowed()
    const gone = new RyoFaasError('SERVER_UNREACHABLE', 'the server "shop" cannot be reached: refused')
    let isGone = true
    const connect = chosen.connect
    chosen.connect = () => (isGone ? Promise.reject(gone) : connect())
    await there.stop()
    await until(() => link.state.kind === 'away' && link.state.why === gone.message)
    expect([link.deployment('There')?.version, link.notRunning().message]).toEqual([3, gone.message])
    await expect(link.client()).rejects.toBe(gone)
    await there.start(port)
    isGone = false
    await link.refresh()
    expect(link.state).toMatchObject({ kind: 'connected', server: 'shop' })
  })

  test('what does not answer on it is said with its name', async () => {
    await there.stop()
    const client = (await shop().connect())!
    const failed = { code: 'NOT_RUNNING', message: 'the agent on the server "shop" is not responding' }
    await expect(client.call('platform', {})).rejects.toMatchObject(failed)
    const calls = new CallsClient(client.relay('proxy')!, AbortSignal.timeout(10_000))
    await expect(calls.show('x')).rejects.toThrow('the proxy on the server "shop" is not responding')
  })

  test('one that nobody knows is not replaced by this machine', async () => {
    await announce(await agent.start())
    chosen = unknownMachine('shop', new RyoFaasError('SERVER_NOT_FOUND', 'no server is named "shop"'))
    await link.refresh()
    expect(link.state).toMatchObject({ kind: 'away', server: 'shop', why: 'no server is named "shop"' })
    await expect(link.client()).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' })
    expect(agent.looks).toBe(0)
  })
})
