import Fastify from 'fastify'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AS_OPERATOR } from '../../../access/access-testing.ts'
import { call, Stage } from '../proxy-testing.ts'
import { PASS } from '../access/gate.ts'
import { TrustedPeers } from '../access/trusted-peers.ts'
import { BusLink } from './bus-link.ts'
import { addCallsApi } from './calls-api.ts'

interface Document {
  paths: Record<string, Record<string, { operationId: string; security: object[]; responses: Record<string, object> }>>
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> }
}

let stage: Stage
beforeEach(() => (stage = new Stage()))
afterEach(() => stage.end())

async function read(): Promise<{ text: string; document: Document }> {
  const answer = await call(await stage.proxy(), '/openapi.json', { headers: AS_OPERATOR })
  expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json; charset=utf-8' } })
  return { text: answer.body, document: JSON.parse(answer.body) as Document }
}

it('is the operator’s', async () => {
  expect(await call(await stage.proxy(), '/openapi.json')).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
})

it('holds every route of the calls API, events, and no other', async () => {
  const served: string[] = []
  const server = Fastify()
  server.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) served.push(`${one} ${url.replace(/:(\w+)/g, '{$1}')}`)
  })
  const link = new BusLink(undefined)
  addCallsApi(server, link, { admit: () => PASS, trusted: new TrustedPeers([]), newRequestId: () => 'r' })
  await server.ready()
  await server.close()
  const { document } = await read()
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
  )
  const asked = served.filter(what => !what.startsWith('HEAD ') && what !== 'GET /openapi.json')
  expect(described.sort()).toEqual([...asked, 'POST /events'].sort())
})

it('says of each operation its id, who may ask, and the shape of errors; what it refers to is there', async () => {
  const { text, document } = await read()
  const operations = Object.values(document.paths).flatMap(methods => Object.values(methods))
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { security, responses } of operations) {
    expect([[], [{ token: [] }], [{}, { token: [] }]]).toContainEqual(security)
    expect('401' in responses).toBe(security.length > 0)
    expect(responses['503']).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    })
  }
  expect(document.components.securitySchemes).toMatchObject({ token: { type: 'http', scheme: 'bearer' } })
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    expect(document.components.schemas).toHaveProperty(name!)
  }
})

it('asks for the token exactly where the gate does', async () => {
  const { document } = await read()
  const proxy = await stage.proxy()
  const id = '01M86ZNEVB30Z5FYFMY2QWMTFX-fn'
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { security }] of Object.entries(methods)) {
      const { status } = await call(proxy, path.replace('{id}', id), { method: method.toUpperCase() })
      const isNeeded = security.length > 0 && security.every(one => 'token' in one)
      expect([method, path, status === 401]).toEqual([method, path, isNeeded])
    }
  }
})
