/**
 * Whatever the operator sends to an API, the response is one that its OpenAPI document describes: never a 5xx, never a
 * stack or the message of a library, and the connection stays usable. `FUZZ_SEED`; `FUZZ_ROUNDS` requests to each API.
 */
import { Agent, request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { TestPlatform, writeProject } from '../support/platform.ts'
import {
  operationsOf,
  requestsOf,
  type OpenApiDocument,
  type Operation,
  type SentRequest,
} from './open-api-requests.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? 1)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? (IS_WHOLE ? 1_000 : 200))
const TEST_TIMEOUT_MS = 60_000 + ROUNDS * 20
const ANSWER_MS = 20_000

const NAMES = ['agent', 'store', 'proxy'] as const

/** Not sent, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'POST /v1/shutdown': 'ends the platform',
  'POST /v1/reset': 'takes away what the other operations are about',
}
/** Sent, but not for existing things. */
const OF_STRANGERS: Readonly<Record<string, string>> = {
  'PATCH /v1/deployments/{name}': 'starts up to a hundred processes',
  'DELETE /v1/deployments/{name}': 'takes away what the other operations are about',
}
/** Not a message of ours: a code location, or a message of the language, the framework or the system. */
const FOREIGN =
  /\n\s+at |node_modules|\.[jt]s:\d+|FST_|(?:Type|Syntax|Range|Zod)Error|Cannot read prop|is not a function|is not iterable|\[object Object\]|\bE(?:NOENT|ACCES|ISDIR|NAMETOOLONG|INVAL)\b|MDB_/
const ErrorAnswer = z.object({
  error: z.looseObject({ code: z.string().regex(/^[A-Z_]+$/), message: z.string().min(1) }),
})

interface Api {
  name: string
  origin: string
  document: OpenApiDocument
  operations: Operation[]
}
interface Answer {
  status: number
  type: string
  text: string
}

let platform: TestPlatform
let token: string
let deployFile: string
const connections = new Agent({ keepAlive: true, maxSockets: 1 })
const apis = new Map<string, Api>()

beforeAll(async () => {
  platform = await TestPlatform.make()
  const view = await platform.start('process')
  const client = await platform.client()
  token = client.token
  const code = `export const kept = () => new Response('kept')`
  deployFile = await writeProject(join(platform.home, 'project'), { kept: { code } })
  await platform.ok(['deploy', deployFile])
  const store = await platform.store()
  const put = (id: string) =>
    store(`/tables/things/docs/${id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ data: { n: 1, name: id } }),
    })
  for (const id of ['one', 'two']) expect((await put(id)).ok).toBe(true)
  const address = (part: string) => view.parts.find(({ name }) => name === part)!.address!
  for (const name of NAMES) {
    const origin = `http://${address(name)}`
    const response = await fetch(`${origin}/openapi.json`, { headers: { authorization: `Bearer ${token}` } })
    const document = (await response.json()) as OpenApiDocument
    apis.set(name, { name, origin, document, operations: operationsOf(document) })
  }
})
afterAll(async () => {
  connections.destroy()
  await platform.remove()
})

describe.each(NAMES)('the %s', name => {
  test('describes operations, including those that are left out here', () => {
    const names = apis.get(name)!.operations.map(operation => operation.name)
    expect(names.length).toBeGreaterThan(name === 'proxy' ? 6 : 10)
    if (name === 'agent') expect(names).toEqual(expect.arrayContaining(Object.keys({ ...LEFT_OUT, ...OF_STRANGERS })))
  })

  test('responds to everything as described', { timeout: TEST_TIMEOUT_MS }, async () => {
    const api = apis.get(name)!
    const sent = api.operations.filter(operation => LEFT_OUT[operation.name] === undefined)
    const numRuns = Math.ceil(ROUNDS / sent.length)
    const faults: string[] = []
    for (const operation of sent) {
      const known = OF_STRANGERS[operation.name] === undefined ? ['kept', 'KEPT', 'things', 'one', deployFile] : []
      const property = fc.asyncProperty(requestsOf(operation, known), made => judge(api, operation, made))
      const outcome = await fc.check(property, { seed, numRuns })
      if (outcome.failed) faults.push(`${operation.name}\n${describeFailure(outcome)}`)
    }
    expect(faults.join('\n\n')).toBe('')
  })
})

function describeFailure({ counterexample, errorInstance }: fc.RunDetails<[SentRequest]>): string {
  const reason = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  return `${JSON.stringify(counterexample?.[0])}\n${reason}`
}

async function judge(api: Api, operation: Operation, made: SentRequest): Promise<void> {
  const answer = await send(api, made)
  expect(answer.status, answer.text).toBeLessThan(500)
  expect(answer.text).not.toMatch(FOREIGN)
  if (answer.status >= 400) expect(() => ErrorAnswer.parse(JSON.parse(answer.text)), answer.text).not.toThrow()
  const schema = describedAs(api, operation, answer.status)
  if (schema !== undefined && answer.text !== '') {
    const parsed = z.fromJSONSchema(schema, { defaultTarget: 'openapi-3.0' }).safeParse(JSON.parse(answer.text))
    expect(parsed.error, answer.text).toBeUndefined()
  }
  expect((await send(api, { method: 'GET', path: '/healthz', headers: {} })).status).toBe(200)
}

function describedAs({ document }: Api, { responses = {} }: Operation, status: number) {
  const response = responses[status] ?? (status >= 400 ? responses['default'] : undefined)
  const schema = response?.content?.['application/json']?.schema
  if (schema === undefined) return undefined
  const whole = JSON.stringify({ ...schema, definitions: document.components?.schemas })
  // Where zod resolves references.
  const withReferences = whole.replaceAll('#/components/schemas/', '#/definitions/')
  return JSON.parse(withReferences) as Parameters<typeof z.fromJSONSchema>[0]
}

/** A stream is done after its head; it never ends by itself. */
function send({ origin }: Api, { method, path, headers, body }: SentRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { agent: connections, method, headers: { authorization: `Bearer ${token}`, ...headers } }
    const { hostname, port } = new URL(origin)
    const sent = request({ ...options, hostname, port, path }, response => {
      const type = response.headers['content-type'] ?? ''
      const isStream = /event-stream|ndjson/.test(type)
      const answer = (text: string) => resolve({ status: response.statusCode!, type, text })
      if (!isStream) return void readText(response).then(answer, reject)
      answer('')
      response.destroy()
    })
    sent.setTimeout(ANSWER_MS, () => sent.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
    sent.once('error', reject)
    sent.end(body)
  })
}

async function readText(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}
