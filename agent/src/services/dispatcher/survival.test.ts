import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { STREAMS } from '../../bus/index.ts'
import { StaleTableError } from '../../routes/index.ts'
import { Stage, until } from './dispatcher-testing.ts'

let stage: Stage

beforeEach(async () => {
  stage = await Stage.open()
})
afterEach(() => stage.end())

async function calls(count: number, given: Parameters<Stage['call']>[0] = {}): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => stage.call(given)))
}

it('runs each of 1,000 calls once with two dispatchers', async () => {
  const proxy = await stage.server()
  await stage.deploy({ async: { concurrency: 32 } })
  // Both, the server and a thousand calls share this process: it must not look dead.
  const both = { dispatchers: 2, ackWaitMs: 5_000 }
  await stage.dispatcher(proxy, both)
  await stage.dispatcher(proxy, both)
  const ids = await calls(1_000)
  await until(() => stage.isEmpty(STREAMS.calls), 'all ran')
  expect(proxy.received.map(({ callId }) => callId).sort()).toEqual(ids.sort())
})

it('loses no call when a dispatcher is killed in the middle', async () => {
  let held = 0
  const proxy = await stage.server((_request, response) => {
    // Some are in flight at any moment.
    if (held < 8) held += 1
    else response.end()
  })
  await stage.deploy({ async: { concurrency: 16 } })
  const child = await stage.process(proxy)
  const ids = await calls(200)
  await until(() => proxy.received.length >= 100, 'half of them came')
  child.kill('SIGKILL')
  held = Infinity
  await stage.dispatcher(proxy)
  const done = await Promise.all(ids.map(id => stage.final(id)))
  expect(done.every(({ status }) => status === 'succeeded')).toBe(true)
  const again = done.filter(({ attempts }) => attempts.length > 1)
  expect(again.length).toBeGreaterThan(0)
  for (const { attempts } of again) expect(attempts).toMatchObject([{ outcome: 'INTERRUPTED' }, { outcome: 200 }])
  await until(() => stage.isEmpty(STREAMS.calls), 'the queue is empty')
})

it('resumes when the bus is killed and comes back', async () => {
  const waiting: (() => void)[] = []
  let isHolding = true
  const proxy = await stage.server((_request, response) => {
    if (isHolding) waiting.push(() => response.end('held'))
    else response.end()
  })
  const receiver = await stage.server()
  await stage.deploy({ async: { concurrency: 8 } })
  await stage.dispatcher(proxy)
  const ids = await calls(50, { callbackUrl: receiver.url })
  await until(() => waiting.length === 8, 'some run')
  await stage.nats.kill()
  isHolding = false
  for (const answer of waiting) answer()
  await stage.nats.start()
  const done = await Promise.all(ids.map(id => stage.final(id)))
  // Results that arrived while the bus was down were kept.
  expect(done.every(({ status, attempts }) => status === 'succeeded' && attempts.length === 1)).toBe(true)
  expect(proxy.received).toHaveLength(50)
  await until(() => new Set(receiver.received.map(({ callId }) => callId)).size === 50, 'all callbacks came')
  await until(() => stage.isEmpty(STREAMS.calls), 'the queue is empty')
})

it('waits for a bus that is not there yet', async () => {
  const proxy = await stage.server()
  await stage.deploy({})
  await stage.nats.kill()
  const { port } = await stage.dispatcher(proxy)
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503)
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
  await stage.nats.start()
  let callId = ''
  await until(async () => (callId = await stage.call()) !== '', 'the bus takes calls')
  expect(await stage.final(callId)).toMatchObject({ status: 'succeeded' })
})

it('starts with its last routes while agent and bus are down', async () => {
  const proxy = await stage.server()
  const file = join(stage.folder, 'options.json')
  const options = await stage.options(proxy.url)
  await writeFile(file, JSON.stringify(options))
  const first = stage.spawnMain(file)
  await until(async () => (await stage.control.health()).generation === -1, 'it takes routes')
  await stage.deploy({ route: 'kept' })
  first.kill('SIGKILL')
  await once(first, 'exit')
  await stage.nats.kill()
  stage.spawnMain(file)
  await until(async () => (await stage.control.health()).generation === 1, 'it has its last routes')
  await stage.nats.start()
  let callId = ''
  await until(async () => (callId = await stage.call({ route: 'kept' })) !== '', 'the bus takes calls')
  expect(await stage.final(callId)).toMatchObject({ status: 'succeeded' })
})

it('accepts routes while there is no bus', async () => {
  const proxy = await stage.server()
  await stage.nats.kill()
  const dispatcher = await stage.dispatcher(proxy)
  await stage.deploy({ route: 'early' })
  await expect(dispatcher.setRoutes({ generation: 0, routes: [] })).rejects.toBeInstanceOf(StaleTableError)
  await stage.nats.start()
  let callId = ''
  await until(async () => (callId = await stage.call({ route: 'early' })) !== '', 'the bus takes calls')
  expect(await stage.final(callId)).toMatchObject({ status: 'succeeded' })
})

it('makes a call dead that repeatedly kills its dispatchers', async () => {
  const proxy = await stage.server(() => {})
  await stage.deploy({ async: { attempts: 3 } })
  const callId = await stage.call()
  const limits = { drainMs: 0, interruptionLimit: 5 }
  for (let i = 1; i <= 5; i += 1) {
    const dispatcher = await stage.dispatcher(proxy, limits)
    await until(() => proxy.received.length === i, `attempt ${i} runs`)
    await dispatcher.close()
  }
  await stage.dispatcher(proxy, limits)
  expect(await stage.final(callId)).toMatchObject({ status: 'dead', error: { code: 'INTERRUPTED' } })
})

it('a call succeeds however often its dispatchers were stopped, and its proxy was lost', async () => {
  let isAnswering = false
  const proxy = await stage.server((_request, response) => {
    if (isAnswering) response.end()
  })
  await stage.deploy({ async: { attempts: 1, backoffMs: 1 } })
  const callId = await stage.call()
  for (let i = 1; i <= 12; i += 1) {
    const dispatcher = await stage.dispatcher(proxy, { drainMs: 0 })
    await until(() => proxy.received.length === i, `attempt ${i} runs`)
    await dispatcher.close()
  }
  await stage.dispatcher(proxy)
  for (let i = 13; i <= 16; i += 1) {
    await until(() => proxy.received.length === i, `attempt ${i} runs`)
    await proxy.stop()
    await proxy.start()
  }
  await until(() => proxy.received.length === 17, 'the last attempt runs')
  await proxy.stop()
  isAnswering = true
  await proxy.start()
  const { status, attempts } = await stage.final(callId)
  const outcomes = attempts.map(({ outcome }) => outcome)
  expect(status).toBe('succeeded')
  expect(outcomes).toEqual([...Array<string>(12).fill('INTERRUPTED'), ...Array<string>(5).fill('PROXY_LOST'), 200])
})

it('a call survives more kills of its dispatcher than it has attempts', async () => {
  let isAnswering = false
  const proxy = await stage.server((_request, response) => {
    if (isAnswering) response.end()
  })
  await stage.deploy({ async: { attempts: 1 } })
  const callId = await stage.call()
  for (let i = 1; i <= 3; i += 1) {
    const child = await stage.process(proxy)
    await until(() => proxy.received.length === i, `attempt ${i} runs`)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  isAnswering = true
  await stage.dispatcher(proxy)
  expect(await stage.final(callId)).toMatchObject({ status: 'succeeded', attempts: [{}, {}, {}, { outcome: 200 }] })
})

it('on SIGTERM finishes what runs, accepts no more, gives back what takes too long, exits 0', async () => {
  const running = new Map<string, () => void>()
  const proxy = await stage.server(({ callId }, response) => void running.set(callId, () => response.end()))
  await stage.deploy({ async: { concurrency: 2 } })
  const readyFile = join(stage.folder, 'ready')
  const file = join(stage.folder, 'options.json')
  await writeFile(file, JSON.stringify({ ...(await stage.options(proxy.url, { drainMs: 2_000 })), readyFile }))
  const child = stage.spawnMain(file)
  const [quick, slow, later] = await calls(3)
  await until(() => running.size === 2 && existsSync(readyFile), 'two run')
  const { pid, port } = JSON.parse(await readFile(readyFile, 'utf8')) as { pid: number; port: number }
  expect(pid).toBe(child.pid)
  expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200)
  child.kill('SIGTERM')
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 503, 'it takes no more')
  running.get(quick!)!()
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(await stage.view(quick!)).toMatchObject({ status: 'succeeded' })
  expect(await stage.view(slow!)).toMatchObject({ status: 'running', attempts: [{ number: 1 }] })
  expect(await stage.view(later!)).toMatchObject({ status: 'queued' })

  const second = await stage.server()
  await stage.dispatcher(second)
  expect(await stage.final(slow!)).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'INTERRUPTED' }, {}] })
  expect(await stage.final(later!)).toMatchObject({ status: 'succeeded', attempts: [{ number: 1 }] })
})

it.each([
  { problem: 'its options are wrong', code: 78, options: { metricsPorT: 1 }, says: 'metricsPorT' },
  { problem: 'the address of its metrics is in use', code: 98, options: {}, says: 'EADDRINUSE' },
])('exits with $code and says so if $problem', async ({ code, options, says }) => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  stage.onEnd(() => void taken.close())
  await once(taken, 'listening')
  const file = join(stage.folder, 'options.json')
  const { port: metricsPort } = taken.address() as AddressInfo
  await writeFile(file, JSON.stringify({ ...(await stage.options('http://127.0.0.1:1', { metricsPort })), ...options }))
  const child = stage.spawnMain(file)
  let stderr = ''
  child.stderr!.on('data', (piece: Buffer) => (stderr += piece.toString()))
  expect(await once(child, 'close')).toEqual([code, null])
  expect(JSON.parse(stderr.trim().split('\n').at(-1)!)).toMatchObject({ level: 'error', part: 'dispatcher' })
  expect(stderr).toContain(says)
})
