import net from 'node:net'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { answerProof, API, PROOF_PATH, RyoFaasError } from '../contract/index.ts'
import type { Platform } from './platform.ts'
import { createApi } from './server.ts'

const TOKEN = 'the-token-of-the-operator'

async function serve() {
  const deployer = () => ({
    view: (name: string) => Promise.reject(new RyoFaasError('DEPLOYMENT_NOT_FOUND', `no deployment "${name}"`)),
    logs: () => {
      throw new RyoFaasError('UNSUPPORTED', 'the engine does not keep the output of functions')
    },
  })
  const platform = { deployer } as unknown as Platform
  const api = await createApi({
    token: TOKEN,
    version: '0',
    platform,
    dashboard: '/nowhere',
    logger: pino({ enabled: false }),
  })
  onTestFinished(() => api.close())
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const ask = (path: string, headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }) =>
    fetch(url + path, { headers })
  return { url, ask }
}

const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code

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

test('its OpenAPI document has every operation and its authorization; streams are lines of JSON', async () => {
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
    expect([name, types]).toEqual([name, ['stream' in route ? 'application/x-ndjson' : 'application/json']])
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
  expect(await change({ instances: null })).toEqual(refused('instances must be a number'))
  expect(await change({ instances: 0 })).toEqual(refused('instances must be at least 1'))
  expect(await change({})).toEqual(refused('instances is missing'))
  expect(await change([])).toEqual(refused('the body must be an object'))
})
