/** One platform with two further proxies, which are on this machine but know nothing of it but its NATS and its key. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestProxy } from '../support/further-proxy.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'

let platform: TestPlatform
let proxies: [TestProxy, TestProxy]
const all = () => proxies.map(({ url }) => url)

const HELLO = (answer: string) => `export const hello = async () => new Response(${JSON.stringify(answer)})`

async function deploy(answer: string): Promise<void> {
  const asleep = { scale: { min: 0, idleMs: 1_000, keepMs: 1_000 } }
  await writeProject(join(platform.home, 'project'), {
    hello: { code: HELLO(answer) },
    sleeper: { code: `export const sleeper = async () => new Response('awake')`, options: asleep },
    closed: { code: `export const closed = async () => new Response('open')`, options: { access: 'key' } },
    limited: {
      code: `export const limited = async () => new Response('ok')`,
      options: { access: 'key', rate: '30/h' },
    },
  })
  await platform.ok(['deploy', 'project/deploy.json'])
}

const call = async (base: string, path: string, init?: RequestInit) => {
  const response = await fetch(`${base}/functions/${path}`, init)
  return { status: response.status, body: await response.text() }
}
const answered = (base: string, path: string, body: string) =>
  until(async () => ((await call(base, path).catch(() => undefined))?.body === body ? true : undefined))
const partsOf = async () => (await platform.view()).parts.filter(({ name }) => name.startsWith('proxy '))

beforeAll(async () => {
  platform = await TestPlatform.make()
  await platform.start('process')
  await deploy('one')
  const [a, b] = await Promise.all(['one', 'two'].map(name => TestProxy.start(platform, { name })))
  proxies = [a!, b!]
})
afterAll(async () => {
  await Promise.all((proxies ?? []).map(proxy => proxy.remove()))
  await platform.remove()
})

test('further proxies serve what was deployed before, and what is deployed later from the moment that the deploy ends', async () => {
  for (const base of all()) await answered(base, 'hello', 'one')
  const views = await until(async () => {
    const found = await partsOf()
    return found.length === 2 && found.every(({ state }) => state === 'running') ? found : undefined
  })
  expect(views.map(({ name }) => name).sort()).toEqual(['proxy one', 'proxy two'])
  expect(views.map(({ address }) => `http://${address}`).sort()).toEqual(all().sort())
  await deploy('two')
  for (const base of all()) expect(await call(base, 'hello')).toEqual({ status: 200, body: 'two' })
})

test('a call through a further proxy wakes what sleeps', async () => {
  await answered(all()[0]!, 'sleeper', 'awake')
  await until(async () => {
    const { instances } = await platform.details('sleeper')
    return instances.every(({ state }) => state !== 'ready') || undefined
  })
  expect(await call(all()[1]!, 'sleeper')).toEqual({ status: 200, body: 'awake' })
})

test('a key that is revoked opens nothing at any proxy when the command ends', async () => {
  const { key } = JSON.parse(await platform.ok(['keys', 'create', 'shop', '--json'])) as { key: string }
  const headers = { authorization: `Bearer ${key}` }
  for (const base of all()) expect((await call(base, 'closed', { headers })).status).toBe(200)
  await platform.ok(['keys', 'revoke', 'shop', '--yes'])
  for (const base of all()) expect((await call(base, 'closed', { headers })).status).toBe(401)
})

test('calls, results and events go through a further proxy as through the first', async () => {
  const token = await readFile(join(platform.home, 'token'), 'utf8')
  const headers = { authorization: `Bearer ${token}` }
  const accepted = await fetch(`${all()[0]}/functions/hello`, { headers: { prefer: 'respond-async' }, method: 'POST' })
  expect(accepted.status).toBe(202)
  const { callId } = (await accepted.json()) as { callId: string }
  await until(async () => {
    const response = await fetch(`${all()[1]}/calls/${callId}`, { headers })
    const { status } = (await response.json()) as { status: string }
    return status === 'succeeded' || undefined
  })
  const event = { specversion: '1.0', id: '1', source: '/test', type: 'test.happened' }
  const posted = await fetch(`${all()[0]}/events`, {
    ...{ method: 'POST', body: JSON.stringify(event) },
    headers: { ...headers, 'content-type': 'application/cloudevents+json' },
  })
  expect([posted.status, (await fetch(`${all()[0]}/metrics`, { headers })).status]).toEqual([202, 200])
})

test('a limit of calls is shared by the proxies', async () => {
  const { key } = JSON.parse(await platform.ok(['keys', 'create', 'busy', '--json'])) as { key: string }
  const headers = { authorization: `Bearer ${key}` }
  const statuses: number[] = []
  for (let n = 0; n < 15; n += 1)
    for (const base of all()) statuses.push((await call(base, 'limited', { headers })).status)
  // A third each: the platform's own proxy has the last.
  expect(statuses.filter(status => status === 200)).toHaveLength(20)
  expect(statuses.filter(status => status === 429)).toHaveLength(10)
})

test('a proxy that is killed is shown as lost; what it might still serve is said, and the others go on', async () => {
  const [lost, other] = proxies
  const [view] = (await partsOf()).filter(({ name }) => name === 'proxy one')
  process.kill(view!.pid!, 'SIGSTOP')
  try {
    await until(async () => ((await partsOf()).some(({ state }) => state === 'failing') ? true : undefined))
    const { notReached } = JSON.parse(await platform.ok(['keys', 'revoke', 'busy', '--yes', '--json'])) as {
      notReached: string[]
    }
    expect(notReached).toEqual([expect.stringContaining(new URL(lost.url).host)])
    expect((await call(other.url, 'hello')).status).toBe(200)
  } finally {
    process.kill(view!.pid!, 'SIGCONT')
  }
  await until(async () => ((await partsOf()).every(({ state }) => state === 'running') ? true : undefined))
})

test('without the platform and its NATS a further proxy goes on, also after a restart', async () => {
  const [one, two] = proxies
  const { parts } = await platform.view()
  const pidOf = (name: string) => parts.find(part => part.name === name)!.pid!
  for (const name of ['keeper', 'agent', 'nats', 'proxy', 'store', 'dispatcher']) process.kill(pidOf(name), 'SIGKILL')
  expect((await call(one.url, 'hello')).body).toBe('two')
  await two.end()
  await two.start()
  expect((await call(two.url, 'hello')).body).toBe('two')
  await platform.start('process')
  await deploy('three')
  for (const base of all()) await answered(base, 'hello', 'three')
})
