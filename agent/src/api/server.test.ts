import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import fastify from 'fastify'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import { answerProof, API, PROOF_PATH, RyoFaasError, type ApiRoute } from '../contract/index.ts'
import { TokenStore } from '../tokens/index.ts'
import type { Platform } from './platform.ts'
import { AuditLog } from './audit-log.ts'
import { requireNeeds } from './authorize.ts'
import { needAtProxy, needAtStore } from './relay.ts'
import { createApi } from './server.ts'

const TOKEN = 'the-token-of-the-operator'

async function serve() {
  const deployer = () => ({
    republish: async () => undefined,
    lifecycle: {
      remove: (name: string) => Promise.reject(new RyoFaasError('DEPLOYMENT_NOT_FOUND', `no deployment "${name}"`)),
    },
    deploy: async (_: unknown, emit: (event: object) => void) =>
      emit({ type: 'finished', deployed: 1, failed: 1, durationMs: 1 }),
    view: (name: string) => Promise.reject(new RyoFaasError('DEPLOYMENT_NOT_FOUND', `no deployment "${name}"`)),
    logs: () => {
      throw new RyoFaasError('UNSUPPORTED', 'the engine does not keep the output of functions')
    },
  })
  const home = await mkdtemp(join(tmpdir(), 'rfa-api-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const audit = new AuditLog(join(home, 'audit.jsonl'))
  const secrets = { set: async () => undefined }
  const tokens = await TokenStore.open(home)
  onTestFinished(() => tokens.close())
  const following = () => undefined
  const platform = { deployer, secrets, audit, tokens, following } as unknown as Platform
  const api = await createApi({
    token: TOKEN,
    version: '0',
    platform,
    dashboard: '/nowhere',
    audit,
    logger: pino({ enabled: false }),
  })
  onTestFinished(() => api.close())
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const ask = (path: string, headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }) =>
    fetch(url + path, { headers })
  return { api, url, ask, home, audit, tokens }
}

const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code

test('what reads a path does so for programs on this machine only; packages come from anywhere', async () => {
  const { api } = await serve()
  const send = async (url: string, remoteAddress: string) => {
    const headers = { authorization: `Bearer ${TOKEN}`, host: '127.0.0.1' }
    const response = await api.inject({
      method: 'POST',
      url,
      remoteAddress,
      headers,
      payload: { file: '/x', manifests: [] },
    })
    return response.body
  }
  const reading = Object.values<ApiRoute>(API).filter(({ readsDisk }) => readsDisk)
  expect(reading.map(({ path }) => path).sort()).toEqual(['/v1/builds', '/v1/checks', '/v1/deploys'])
  for (const { path } of reading) {
    for (const from of ['10.1.2.3', '::2', '::ffff:10.1.2.3', '172.17.0.1']) {
      expect([path, from, await send(path, from)]).toEqual([path, from, expect.stringContaining('UNSUPPORTED')])
    }
  }
  for (const from of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
    expect(await send('/v1/deploys', from)).toContain('finished')
  expect(await send('/v1/packages', '10.1.2.3')).toContain('manifests')
})

test('a name of any length gets an error of the usual shape', async () => {
  const { ask } = await serve()
  const long = await ask(`/v1/deployments/${'a'.repeat(120)}`)
  expect([long.status, await codeOf(long)]).toEqual([404, 'DEPLOYMENT_NOT_FOUND'])
  const longer = await ask(`/v1/deployments/${'a'.repeat(2_000)}`)
  expect(await codeOf(longer)).toBe('INVALID_REQUEST')
})

test('a head that is too large, and what is no request, are answered in the shape of all errors', async () => {
  const { url, ask } = await serve()
  const long = await ask('/healthz', { 'x-long': 'x'.repeat(17_000) })
  expect([long.status, await codeOf(long)]).toEqual([431, 'INVALID_REQUEST'])
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1', () => socket.write('no HTTP\r\n\r\n'))
  const answer = await text(socket)
  expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n[^]*"code":"INVALID_REQUEST"/)
})

test('logs that are not kept are refused, and are not an empty stream', async () => {
  const { ask } = await serve()
  const response = await ask('/v1/deployments/hello/logs')
  expect([response.status, await codeOf(response)]).toEqual([422, 'UNSUPPORTED'])
})

test('a request without a token is told what to send', async () => {
  const { ask } = await serve()
  const response = await ask('/v1/platform', {})
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="ryo-faas"'])
})

test('it proves itself to anyone who sends a nonce', async () => {
  const { url, ask } = await serve()
  const path = `${PROOF_PATH}?nonce=${'0a'.repeat(16)}`
  const response = await ask(path, {})
  expect(await response.text()).toBe(answerProof(TOKEN, { url: path, port: Number(new URL(url).port) }))
  expect((await ask(`${PROOF_PATH}?nonce=short`, {})).status).toBe(400)
})

test('its OpenAPI document has every operation and its authorization; streams are lines of JSON, files are files', async () => {
  const { ask } = await serve()
  const document = (await (await ask('/openapi.json', {})).json()) as {
    paths: Record<string, Record<string, { operationId: string; responses: Record<string, { content: object }> }>>
    security: object[]
    components: { securitySchemes: object }
  }
  expect(document.security).toEqual([{ token: [] }])
  expect(document.components.securitySchemes).toMatchObject({ token: { type: 'http', scheme: 'bearer' } })
  for (const [name, route] of Object.entries(API)) {
    const operation = document.paths[route.path.replace(/:(\w+)/g, '{$1}')]![route.method.toLowerCase()]!
    expect(operation.operationId).toBe(name)
    const types = Object.keys(operation.responses['200']!.content)
    const type =
      'stream' in route ? 'application/x-ndjson' : 'givesBytes' in route ? 'application/gzip' : 'application/json'
    expect([name, types]).toEqual([name, [type]])
    expect(operation.responses).toHaveProperty('default')
  }
})

test('an invalid body is reported by field and rule', async () => {
  const { url } = await serve()
  const change = async (body: object) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const response = await fetch(`${url}/v1/deployments/hello`, {
      method: 'PATCH',
      headers,
      body: JSON.stringify(body),
    })
    return [response.status, ((await response.json()) as { error: object }).error]
  }
  const refused = (message: string) => [400, { code: 'INVALID_REQUEST', message }]
  for (const instances of [null, 'all']) {
    expect(await change({ instances })).toEqual(refused('instances must be "auto" or a number from 0 to 100'))
  }
  expect(await change({})).toEqual(refused('instances is missing'))
  expect(await change([])).toEqual(refused('the body must be an object'))
})

describe('what a route needs', () => {
  test('is stated by every one, and one that does not state it cannot be added', async () => {
    const app = fastify()
    requireNeeds(app, { token: TOKEN, identify: () => undefined as never, ownerOfKey: () => undefined })
    expect(() => app.get('/v1/new', async () => 'open to everybody')).toThrow('GET /v1/new does not say what it needs')
    for (const [name, { needs, path }] of Object.entries(API)) {
      expect([name, needs.scope === 'named']).toEqual([name, path.includes('/:name') && needs.scope === 'named'])
    }
  })

  test('is asked of each token: roles, names, and who it was is on record', async () => {
    const { url, audit, tokens } = await serve()
    const { token, view } = await tokens.create({ name: 'CI', can: 'deploy', for: ['stage-*'] })
    const ask = async (method: string, path: string, given = token) => {
      const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${given}` } })
      return codeOf(response)
    }
    expect(await ask('DELETE', '/v1/deployments/stage-shop')).toBe('DEPLOYMENT_NOT_FOUND')
    expect(await ask('DELETE', '/v1/deployments/shop')).toBe('FORBIDDEN')
    expect(await ask('GET', '/v1/secrets')).toBe('FORBIDDEN')
    expect(await ask('GET', '/v1/tokens')).toBe('FORBIDDEN')
    expect(await ask('GET', '/v1/nothing')).toBe('ROUTE_NOT_FOUND')
    expect(await audit.read({ limit: 10 })).toMatchObject([{ action: 'stop', who: `token CI, ${view.id}` }])
    await tokens.revoke('CI')
    expect(await ask('DELETE', '/v1/deployments/stage-shop')).toBe('UNAUTHORIZED')
  })
})

describe('the relay', () => {
  const need = (method: string, path: string) => {
    const [plain, search = ''] = path.split('?')
    return needAtProxy({ method, segments: plain!.slice(1).split('/'), query: new URLSearchParams(search) })
  }

  test('calls of a function need the right to deploy it, whatever its rule of access says', () => {
    for (const path of ['/functions/a', '/functions/a/b/c', '/async-function/a']) {
      expect(need('GET', path)).toEqual({ role: 'deploy', scope: 'named', name: 'a' })
    }
    expect(need('GET', '/calls?function=a')).toEqual({ role: 'read', scope: 'named', name: 'a' })
    expect(need('GET', '/calls/events')).toEqual({ role: 'read', scope: 'named', name: undefined })
    expect(need('POST', '/calls/redrive')).toMatchObject({ role: 'deploy', name: undefined })
    expect(need('DELETE', '/calls/1')).toEqual({ role: 'deploy', scope: 'filtered' })
    expect(need('POST', '/events')).toEqual({ role: 'deploy', scope: 'all' })
    for (const path of [
      '/metrics',
      '/',
      '/functions',
      '/functions/',
      '/calls/1/2/3',
      '/events/1',
      '/.ryo-faas/proof',
    ]) {
      expect(() => need('GET', path)).toThrow('nothing is served here')
    }
  })

  test('the store is for tokens of all functions; what removes a table or copies all of it is an admin’s', () => {
    const at = (method: string, ...segments: string[]) =>
      needAtStore({ method, segments, query: new URLSearchParams() })
    expect(at('GET', 'tables')).toEqual({ role: 'read', scope: 'all' })
    expect(at('PUT', 'tables', 't', 'docs', '1')).toEqual({ role: 'deploy', scope: 'all' })
    expect(at('DELETE', 'tables', 't')).toEqual({ role: 'admin', scope: 'all' })
    expect(at('POST', 'backup')).toEqual({ role: 'admin', scope: 'all' })
  })

  test.each([
    '/functions/%2e%2e/calls',
    '/functions/a/../../calls',
    '/functions/a%2fb',
    '//calls',
    '/calls/%5c',
    '/%zz',
  ])('a path that can be read in two ways is refused: %s', async path => {
    const { url } = await serve()
    const answer = await exchangeRaw(url, `GET /v1/via/proxy${path} HTTP/1.1`)
    expect(answer).toMatch(/^HTTP\/1.1 (?:400|404) /)
  })
})

/** Without a client that cleans the path. */
async function exchangeRaw(url: string, line: string): Promise<string> {
  const { port, host } = new URL(url)
  const socket = net.connect(Number(port), '127.0.0.1')
  socket.write(`${line}\r\nHost: ${host}\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`)
  return text(socket)
}

describe('the audit log', () => {
  const change = async (
    url: string,
    path: string,
    { body, method = 'POST' }: { body?: object; method?: string } = {},
  ) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'user-agent': 'ryo-faas (alice)' }
    const json = { 'content-type': 'application/json' }
    const init = body === undefined ? { headers } : { headers: { ...headers, ...json }, body: JSON.stringify(body) }
    const response = await fetch(url + path, { method, ...init })
    await response.text()
  }

  test('has who did what, from where and with what outcome; no secret, and nothing of requests that only look', async () => {
    const { url, ask, home, audit } = await serve()
    await change(url, '/v1/secrets/API_KEY', { method: 'PUT', body: { value: 'not-for-the-log' } })
    await change(url, '/v1/deployments/shop', { method: 'DELETE' })
    await change(url, '/v1/deploys', { body: { file: '/shop/deploy.json', only: ['a', 'b'] } })
    await ask('/v1/secrets')
    await fetch(`${url}/v1/reset`, { method: 'POST' })
    const by = { who: 'operator (alice)', from: '127.0.0.1' }
    const actions = await until(async () => {
      const found = await audit.read({ limit: 10 })
      return found.length === 3 && found.every(({ outcome }) => outcome !== undefined) ? found : undefined
    })
    expect(actions).toMatchObject([
      { action: 'deploy', target: '/shop/deploy.json a b', outcome: '1 of 2 failed', ...by },
      { action: 'stop', target: 'shop', outcome: 'DEPLOYMENT_NOT_FOUND', ...by },
      { action: 'setSecret', target: 'API_KEY', outcome: 'ok', ...by },
    ])
    const file = join(home, 'audit.jsonl')
    expect(await readFile(file, 'utf8')).not.toContain('not-for-the-log')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await audit.read({ limit: 1 })).toMatchObject([{ action: 'deploy' }])
    expect(await audit.read({ limit: 9, since: new Date(Date.now() + 60_000).toISOString() })).toEqual([])
    expect(await (await ask('/v1/audit?limit=1')).json()).toMatchObject({ actions: [{ action: 'deploy' }] })
  })

  test('what cannot be written down is not done', async () => {
    const { url, home } = await serve()
    await mkdir(join(home, 'audit.jsonl'))
    const headers = { authorization: `Bearer ${TOKEN}` }
    const refused = await fetch(`${url}/v1/deployments/shop`, { method: 'DELETE', headers })
    expect([refused.status, await codeOf(refused)]).toEqual([500, 'HOME_UNUSABLE'])
  })

  test('is bounded, and a line that was cut off is skipped', async () => {
    const { home, audit } = await serve()
    const file = join(home, 'audit.jsonl')
    const line = (id: number) =>
      JSON.stringify({
        id: String(id),
        time: new Date(id).toISOString(),
        action: 'stop',
        who: 'x'.repeat(90),
        from: 'y',
      })
    const lines = Array.from({ length: 30_000 }, (_, id) => line(id))
    await writeFile(file, `${lines.join('\n')}\n{"id":"cut`)
    await audit.end('1', 'ok')
    expect((await stat(file)).size).toBeLessThanOrEqual(2 * 1024 * 1024)
    const kept = await audit.read({ limit: 100_000 })
    expect(kept.length).toBeGreaterThan(1_000)
    expect(kept[0]).toMatchObject({ time: new Date(29_999).toISOString() })
  })
})
