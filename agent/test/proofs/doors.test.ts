/**
 * Five strangers try every door of a platform that was started with its defaults: a container of another network, a
 * neighbour that routes to the private network, another user of this machine, a page in a browser, and a function that
 * means harm. Each is refused everywhere, and those a door is meant for are let in. The doors of the APIs come from
 * their OpenAPI documents, so that a new one is tried as well.
 */
import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { otlpRequest, otlpSpan } from '../../src/observability/collector/testing/spans.ts'
import { connectDocker } from '../../src/docker/index.ts'
import { AsyncClient } from '../async/async-client.ts'
import { readState } from '../telemetry/collector-client.ts'
import { fromContainer, Neighbour, type Target } from '../support/probes.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { all, attemptHere, HOSTILE, type Attempt, type Outcomes } from './attempts.ts'
import { operationsOf, type OpenApiDocument } from './open-api-requests.ts'

const FUNCTIONS = {
  Hostile: { code: HOSTILE, options: { store: { read: ['open'], write: ['open'] } } },
  Victim: { code: `export const Victim = () => new Response('private')`, options: { async: true } },
  Watcher: {
    code: `import { store } from '@ryo-faas/runtime'
      export const Watcher = async ({ id }: { id: string }) => void (await store('seen').create({}, { id }))`,
    options: { on: [{ table: 'closed', events: ['new-doc'] }] },
  },
}
const JSON_TYPE = { 'content-type': 'application/json' }
/** A user id that no one has on this machine. */
const STRANGER = { uid: 65534, gid: 65534 }
const UNKNOWN_CALL = '01M8AQ70PYN2QGXEYCBHHXKG05-victim'
const EVENT = JSON.stringify({
  ...{ specversion: '1.0', id: '1', type: 'new-doc', source: '/', time: '2026-01-01T00:00:00Z', sequence: '1' },
  data: { kind: 'new-doc', table: 'closed', id: 'forged', version: 1 },
})

type Door = 'agent' | 'proxy' | 'store' | 'collector' | 'nats' | 'dispatcher'

const run = promisify(execFile)
let platform: TestPlatform
let docker: Docker
let image: string
let gateway: string
let bridge: string
let token: string
let callId: string
let caller: AsyncClient
const ports = {} as Record<Door, number>
const instances: Record<string, string> = {}

beforeAll(async () => {
  docker = (await connectDocker(process.env)).docker
  platform = await TestPlatform.make()
  const { proxyUrl, parts } = await platform.start('docker')
  token = (await platform.client()).token
  const addressOf = (part: string) => parts.find(({ name }) => name === part)?.address ?? ''
  for (const door of ['agent', 'proxy', 'store', 'nats', 'dispatcher'] as const)
    ports[door] = Number(/\d+$/.exec(addressOf(door))?.[0])
  ports.collector = (await readState(platform.home)).ports['collector']!
  expect(
    Object.values(ports).every(port => port > 0),
    JSON.stringify(ports),
  ).toBe(true)
  await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), FUNCTIONS)])
  for (const name of ['hostile', 'victim', 'watcher']) {
    const { Image, NetworkSettings } = await docker.getContainer(`${platform.project}-${name}`).inspect()
    image = Image
    instances[name] = NetworkSettings.Networks[`${platform.project}-net`]!.IPAddress
  }
  const network = await docker.getNetwork(`${platform.project}-net`).inspect()
  gateway = network.IPAM!.Config![0]!['Gateway']!
  bridge = `br-${network.Id.slice(0, 12)}`
  const store = await platform.store()
  const put = { method: 'PUT', headers: JSON_TYPE, body: JSON.stringify({ data: { of: 'operator' } }) }
  for (const table of ['open', 'closed']) expect((await store(`/tables/${table}/docs/one`, put)).ok).toBe(true)
  caller = new AsyncClient(proxyUrl)
  callId = await caller.queue('victim')
  await caller.untilOver(callId)
})
afterAll(() => platform.remove())

const at = (door: Door, path = '', host = '127.0.0.1') => `http://${host}:${ports[door]}${path}`
const asOperator = () => ({ authorization: `Bearer ${token}` })

/** Every operation of an API, on existing things. */
async function operationsAt(door: 'agent' | 'proxy' | 'store', id: string, host?: string): Promise<Attempt[]> {
  const response = await fetch(at(door, '/openapi.json'), { headers: asOperator() })
  const operations = operationsOf((await response.json()) as OpenApiDocument)
  expect(operations.length).toBeGreaterThan(5)
  const values: Record<string, string> = { id, table: 'closed', name: door === 'agent' ? 'victim' : 'index' }
  return operations.map(({ method, path, requestBody }) => {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '1')
    const body = requestBody && { headers: JSON_TYPE, body: '{}' }
    return { method, url: at(door, `${filled}${path === '/calls/events' ? '?function=victim' : ''}`, host), ...body }
  })
}
/** Open to everyone who knows the id. */
const isOfOneCall = ({ method, url }: Attempt) => method === 'GET' && /-victim(?:\/|$)/.test(url)
/** Open to every program of this machine, and to functions. */
const isOfEvents = ({ url }: Attempt) => /:\d+\/events$/.test(url)
const spansOf = (service: string, url = at('collector', '/v1/traces')): Attempt => {
  return { method: 'POST', url, headers: JSON_TYPE, body: JSON.stringify(otlpRequest([otlpSpan(1)], service)) }
}
const withHeaders = (attempts: readonly Attempt[], more: Record<string, string>) =>
  attempts.map(attempt => ({ ...attempt, headers: { ...attempt.headers, ...more } }))
const eventTo = (origin: string, more: Record<string, string> = {}): Attempt => {
  return { method: 'POST', url: `${origin}/.ryo-faas/events/watcher`, headers: { ...JSON_TYPE, ...more }, body: EVENT }
}
const natsUrl = (host = '127.0.0.1', credentials = '') => `nats://${credentials}${host}:${ports.nats}`
const credentialsOf = async () => {
  const text = await readFile(join(platform.home, 'nats', 'credentials.json'), 'utf8')
  return JSON.parse(text) as { user: string; password: string }
}

describe('in the network', () => {
  /** Where something exists, and what a caller that is let through gets there. */
  const targets = (): (Target & { name: string; kind: 'gateway' | 'loopback' | 'instance' })[] => [
    ...(['proxy', 'store', 'collector'] as const).map(name => {
      return { name, host: gateway, port: ports[name], kind: 'gateway' as const }
    }),
    ...(['agent', 'nats', 'dispatcher'] as const).map(name => {
      return { name, host: gateway, port: ports[name], kind: 'loopback' as const }
    }),
    ...Object.entries(instances).map(([name, host]) => ({ name, host, port: 6000, kind: 'instance' as const })),
  ]
  const REFUSED = { gateway: 'closed', loopback: 'refused', instance: 'timeout' }
  const tryAll = async (probe: (target: Target) => Promise<string>) =>
    Object.fromEntries(await Promise.all(targets().map(async target => [target.name, await probe(target)] as const)))
  const refused = () => Object.fromEntries(targets().map(({ name, kind }) => [name, REFUSED[kind]]))

  test('a container of another network is refused everywhere', async () => {
    const other = { network: `${platform.project}-other`, image }
    const made = await docker.createNetwork({ Name: other.network, Driver: 'bridge' })
    try {
      expect(await tryAll(target => fromContainer(docker, other, target))).toEqual(refused())
    } finally {
      await made.remove()
    }
  })

  test('a neighbour that routes the network to this machine is refused everywhere', async () => {
    const neighbour = await Neighbour.make()
    try {
      expect(await tryAll(target => neighbour.probe(target))).toEqual(refused())
    } finally {
      await neighbour.remove()
    }
  })

  test('a container of the project reaches what functions may use, and this machine reaches the functions', async () => {
    const own = { network: `${platform.project}-net`, image }
    expect(await tryAll(target => fromContainer(docker, own, target))).toEqual({
      ...refused(),
      ...{ proxy: '200', store: '200', collector: '401' },
    })
    const attempt = { url: `http://${instances['victim']}:6000/` }
    expect(await attemptHere([attempt])).toEqual(all([attempt], '200'))
  })
})

describe('another user of this machine', () => {
  const attempt = (attempts: Attempt[]) => attemptHere(attempts, STRANGER)

  test.each(['agent', 'store'] as const)('may do nothing at the %s, unlike the operator', async door => {
    const attempts = await operationsAt(door, 'one')
    expect(await attempt(attempts)).toEqual(all(attempts, '401'))
    const guessed = withHeaders(attempts, { authorization: 'Bearer 0123456789abcdef' })
    expect(await attempt(guessed)).toEqual(all(attempts, '401'))
    const [first] = attempts.filter(({ method, url }) => method === 'GET' && /\/(platform|tables)$/.test(url))
    expect(await attempt(withHeaders([first!], asOperator()))).toEqual(all([first!], '200'))
  })

  test('sees only a call whose id it knows, can neither list nor change any, and may send events', async () => {
    const answers = (attempts: Attempt[], ofOne: string) => ({
      ...all(attempts, '401'),
      ...all(attempts.filter(isOfOneCall), ofOne),
      // What it sends is no event.
      ...all(attempts.filter(isOfEvents), '400'),
    })
    const attempts = await operationsAt('proxy', UNKNOWN_CALL)
    expect(await attempt(attempts)).toEqual(answers(attempts, '404'))
    const known = await operationsAt('proxy', callId)
    expect(await attempt(known)).toEqual(answers(known, '200'))
    const list = [{ url: at('proxy', '/calls?function=victim') }]
    expect(await attempt(withHeaders(list, asOperator()))).toEqual(all(list, '200'))
    expect(await (await caller.result(callId)).text()).toBe('private')
  })

  test('cannot send spans, events or messages, unlike the platform', async () => {
    const spans = [spansOf('Victim')]
    expect(await attempt(spans)).toEqual(all(spans, '401'))
    expect(await attempt(withHeaders(spans, asOperator()))).toEqual(all(spans, '200'))
    const direct = `http://${instances['watcher']}:6000`
    for (const forged of [{}, { 'x-ryo-faas-delivery': 'guessed' }] as Record<string, string>[]) {
      const events = [eventTo(direct, forged), eventTo(at('proxy', '/functions/watcher'), forged)]
      expect(await attempt(events)).toEqual(all(events, '404'))
    }
    const { user, password } = await credentialsOf()
    expect(await attempt([{ url: natsUrl() }])).toEqual(all([{ url: natsUrl() }], "-ERR 'Authorization Violation'"))
    const known = [{ url: natsUrl('127.0.0.1', `${user}:${password}@`) }]
    expect(await attempt(known)).toEqual(all(known, 'PONG'))
    const seen = await until(async () => {
      const documents = await (await (await platform.store())('/tables/seen/docs')).text()
      return documents.includes('one') ? documents : undefined
    })
    expect(seen).not.toContain('forged')
  })

  test('opens no file or socket of the home, nor any secret even if the home itself were open', async () => {
    const names = await readdir(platform.home, { recursive: true })
    const kindOf = async (path: string) => {
      const found = await stat(path).catch(() => undefined) // It may have been removed since.
      if (found?.isSocket()) return 'socket'
      return found?.isFile() ? 'file' : undefined
    }
    const attempts: (Attempt & { path: string })[] = []
    for (const name of names) {
      const path = join(platform.home, name)
      const kind = await kindOf(path)
      if (kind !== undefined) attempts.push({ path, url: kind === 'file' ? pathToFileURL(path).href : `unix:${path}` })
    }
    expect(attempts.length).toBeGreaterThan(10)
    expect(await attempt(attempts)).toEqual(all(attempts, 'EACCES'))
    const secrets = await Promise.all(
      ['token', 'dispatch-token', 'functions-key', 'callback-secret', 'proxy-key'].map(async name =>
        (await readFile(join(platform.home, name), 'utf8')).trim(),
      ),
    )
    secrets.push((await credentialsOf()).password)
    await chmod(platform.home, 0o755)
    let outcomes: Outcomes
    try {
      outcomes = await attempt(attempts)
    } finally {
      await chmod(platform.home, 0o700)
    }
    for (const { path, url } of attempts) {
      if (outcomes[`GET ${url}`] !== 'open') continue
      expect(url).not.toMatch(/^unix:/)
      const text = await readFile(path, 'utf8')
      expect(
        secrets.filter(secret => text.includes(secret)),
        path,
      ).toEqual([])
    }
  })
})

describe('a page in a browser, even one with the operator’s token,', () => {
  const rebound = { host: 'pages.example', 'sec-fetch-site': 'same-origin' }
  const PAGES: [string, Record<string, string>][] = [
    ['of another origin', { origin: 'https://pages.example', 'sec-fetch-site': 'cross-site' }],
    ['that leads here', { 'sec-fetch-site': 'cross-site' }],
    ['of a sandbox', { origin: 'null' }],
    ['whose name was made to resolve to this machine', rebound],
  ]

  test.each(PAGES)('%s is refused at every door', async (_page, headers) => {
    const isRebound = headers === rebound
    const attempts = [
      ...(await operationsAt('agent', 'one')),
      ...(await operationsAt('store', 'one')),
      // A call is shown by its id at any host name, and events are taken from whoever proves to be allowed to send them:
      // there may be a proxy in front.
      ...(await operationsAt('proxy', callId)).filter(one => !(isRebound && (isOfOneCall(one) || isOfEvents(one)))),
      ...(['agent', 'proxy', 'store', 'dispatcher'] as const).map(door => ({ url: at(door, '/metrics') })),
      spansOf('Victim'),
    ]
    expect(await attemptHere(withHeaders(attempts, { ...asOperator(), ...headers }))).toEqual(all(attempts, '403'))
    const events = [{ method: 'POST', url: at('proxy', '/events'), body: EVENT }]
    expect(await attemptHere(withHeaders(events, { ...JSON_TYPE, ...headers }))).toEqual(all(events, '403'))
  })

  test('a page with a rebound name cannot send spans, whatever it shows', async () => {
    const spans = [spansOf('Victim')]
    for (const more of [{}, { origin: 'http://pages.example' }, asOperator()]) {
      expect(await attemptHere(withHeaders(spans, { ...rebound, ...more }))).toEqual(all(spans, '403'))
    }
    expect(await attemptHere(withHeaders(spans, {}))).toEqual(all(spans, '401'))
  })

  test('calls functions, and programs of this machine read what it cannot', async () => {
    for (const [, headers] of PAGES) {
      const call = [{ method: 'POST', url: at('proxy', '/functions/victim') }]
      expect(await attemptHere(withHeaders(call, headers))).toEqual(all(call, '202'))
    }
    const metrics = (['agent', 'proxy', 'store', 'dispatcher'] as const).map(door => ({ url: at(door, '/metrics') }))
    expect(await attemptHere(withHeaders(metrics, asOperator()))).toEqual(all(metrics, '200'))
  })
})

describe('a function that means harm', () => {
  const attempt = async (attempts: Attempt[], own: { token: boolean }): Promise<Outcomes> => {
    const response = await caller.send('hostile', { headers: JSON_TYPE, body: JSON.stringify({ attempts, ...own }) })
    expect(response.status).toBe(200)
    return (await response.json()) as Outcomes
  }
  const within = (door: Door, path = '') => at(door, path, `${platform.project}-proxy`)

  test('reaches no other instance, no agent, no bus and no dispatcher', async () => {
    const others = ['victim', 'watcher'].flatMap(name => [
      { url: `http://${instances[name]}:6000/` },
      eventTo(`http://${instances[name]}:6000`),
    ])
    const loopback = [{ url: within('agent') }, { url: within('dispatcher', '/metrics') }, { url: natsUrl(gateway) }]
    expect(await attempt([...others, ...loopback], { token: false })).toEqual({
      ...all(others, 'timeout'),
      ...all(loopback, 'ECONNREFUSED'),
    })
  })

  test('may do at the store what its rights allow, and nothing else', async () => {
    const attempts = await operationsAt('store', 'one', `${platform.project}-proxy`)
    expect(await attempt(attempts, { token: false })).toEqual(all(attempts, '401'))
    const batch = JSON.stringify({ operations: [{ op: 'put', table: 'closed', id: 'one', data: {} }] })
    // It lists the tables that the function may use.
    const tables = { url: within('store', '/tables') }
    const refused = attempts
      .filter(({ url }) => url !== tables.url)
      .map(one => (one.url.endsWith('/batch') ? { ...one, body: batch } : one))
    expect(await attempt(refused, { token: true })).toEqual(all(refused, '403'))
    const own = [tables, { url: within('store', '/tables/open/docs/one') }]
    expect(await attempt(own, { token: true })).toEqual(all(own, '200'))
  })

  test('cannot list, cancel or redrive calls or say that an event is of the store, but calls functions and publishes', async () => {
    const operations = await operationsAt('proxy', callId, `${platform.project}-proxy`)
    const attempts = operations.filter(one => !isOfOneCall(one) && !isOfEvents(one))
    const published = operations.filter(isOfEvents)
    expect(await attempt(published, { token: true })).toEqual(all(published, '400'))
    expect(await attempt(published, { token: false })).toEqual(all(published, '403'))
    const metrics = { url: within('proxy', '/metrics') }
    for (const own of [{ token: true }, { token: false }])
      expect(await attempt([...attempts, metrics], own)).toEqual(all([...attempts, metrics], '403'))
    const events = [eventTo(within('proxy', '/functions/watcher'))]
    expect(await attempt(events, { token: true })).toEqual(all(events, '404'))
    const call = [{ method: 'POST', url: within('proxy', '/functions/victim') }]
    expect(await attempt(call, { token: true })).toEqual(all(call, '202'))
  })

  test('sends only spans of its own service', async () => {
    const url = within('collector', '/v1/traces')
    const sent = async (service: string) => (await attempt([spansOf(service, url)], { token: true }))[`POST ${url}`]
    expect([await sent('Victim'), await sent('ryo-faas-proxy'), await sent('Hostile')]).toEqual(['403', '403', '200'])
  })

  test('cannot reach link-local addresses', async () => {
    const { stdout } = await run('iptables', ['-t', 'raw', '-S', 'PREROUTING'])
    const rules = stdout.split('\n').filter(rule => rule.includes(`-d 169.254.0.0/16 -i ${bridge} `))
    expect(rules).toHaveLength(2)
    for (const rule of rules) expect(rule).toMatch(/-j DROP$/)
  })
})
