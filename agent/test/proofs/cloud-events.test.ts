/**
 * The events of the store against CloudEvents 1.0.2 and its JSON format, in the two places where others read them: the
 * stream of changes, and HTTP requests to an instance. Each is checked twice: by the specification as restated here,
 * and by the SDK of CloudEvents.
 */
import { join } from 'node:path'
import { HTTP, type CloudEvent } from 'cloudevents'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { serverSentEvents } from '../../src/client/server-sent-events.ts'
import { TestPlatform, writeProject, type StoreFetch } from '../support/platform.ts'
import { until } from '../support/until.ts'

const STRUCTURED = 'application/cloudevents+json'
const KINDS = ['new-doc', 'updated-doc', 'deleted-doc']
const TRACE_PARENT = '00-12345678901234567890123456789012-1234567890123456-01'

/** The characters of RFC 3986, 4.1. */
const URI_REFERENCE = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:;.+)?$/
const INTEGER = { least: -(2 ** 31), most: 2 ** 31 - 1 }

/** Its "String": neither control characters nor lone surrogates. */
const attribute = z.string().min(1).refine(isAttributeText)
const ContextAttributes = z
  .object({
    id: attribute,
    source: attribute.regex(URI_REFERENCE),
    specversion: z.literal('1.0'),
    type: attribute,
    datacontenttype: attribute.regex(MEDIA_TYPE).optional(),
    dataschema: z.url().optional(),
    subject: attribute.optional(),
    time: attribute
      .regex(RFC_3339)
      .refine(time => !Number.isNaN(Date.parse(time)))
      .optional(),
  })
  .catchall(z.union([attribute, z.boolean(), z.int().min(INTEGER.least).max(INTEGER.most)]))

interface Message {
  contentType: string
  headers: Record<string, string>
  body: string
}
type Attributes = z.infer<typeof ContextAttributes>
interface Change {
  kind: string
  table: string
  id: string
  before?: { data: unknown }
  after?: { data: unknown }
}

/** Raw POST requests that reached an instance; a document named "again" fails once. */
const RECORDER = `
  import { subscribe } from 'node:diagnostics_channel'
  import type { IncomingMessage } from 'node:http'
  import type { Service } from '@ryo-faas/runtime'

  const seen: unknown[] = []
  let failures = 1
  subscribe('http.server.request.start', message => {
    const { request } = message as { request: IncomingMessage }
    if (!request.url!.startsWith('/.ryo-faas/events/')) return
    const pieces: Buffer[] = []
    const push = request.push.bind(request)
    request.push = (chunk, encoding) => {
      if (chunk !== null) pieces.push(chunk)
      else seen.push({ headers: request.headers, body: Buffer.concat(pieces).toString() })
      return push(chunk, encoding)
    }
  })
  export const main = (service: Service) => service
    .http('/seen', () => Response.json(seen))
    .on('things', ['new-doc', 'updated-doc', 'deleted-doc'], event => {
      if (event.id === 'again' && failures-- > 0) throw new Error('once more, please')
    })`

let platform: TestPlatform
let store: StoreFetch
const messages: Record<'stream' | 'instance', Message[]> = { stream: [], instance: [] }

/** Writes, in order. */
const WRITES: [method: string, id: string, body?: unknown, headers?: Record<string, string>][] = [
  ['PUT', 'plain', { data: { n: 1 } }],
  ['PUT', 'plain', { data: { n: 2 } }],
  ['PATCH', 'plain', { n: 3 }],
  ['DELETE', 'plain'],
  ['PUT', 'a b/c?d#e%', { data: null }],
  ['PUT', 'ä 😀', { data: ['text', 1.5, false, null] }],
  ['PUT', 'text', { data: 'text' }],
  // Intermediaries must accept events of up to 64 KiB.
  ['PUT', 'large', { data: 'x'.repeat(60 * 1024) }],
  ['PUT', 'looks-alike', { data: { specversion: '0.3', id: 1, data_base64: 'AA==' } }],
  ['PUT', 'traced', { data: 1 }, { traceparent: TRACE_PARENT, tracestate: 'own=1', baggage: 'k=v' }],
  ['PUT', 'again', { data: 1 }],
]
const PLACES = ['stream', 'instance'] as const

beforeAll(async () => {
  platform = await TestPlatform.make()
  const { proxyUrl } = await platform.start('process')
  const options = { mainProcess: true, async: { backoffMs: 100 } }
  const file = await writeProject(join(platform.home, 'recorder'), { recorder: { code: RECORDER, options } })
  await platform.ok(['deploy', file])
  store = await platform.store()
  for (const [method, id, body, headers = {}] of WRITES) {
    const response = await store(`/tables/things/docs/${encodeURIComponent(id)}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    expect(response.ok, await response.text()).toBe(true)
  }
  messages.stream = await readStream(WRITES.length)
  // The one that fails is delivered twice.
  messages.instance = await until(async () => {
    const response = await fetch(`${proxyUrl}/functions/recorder/seen`)
    const seen = (await response.json()) as { headers: Record<string, string>; body: string }[]
    if (seen.length <= WRITES.length) return undefined
    return seen.map(({ headers, body }) => ({ contentType: headers['content-type']!, headers, body }))
  })
})
afterAll(() => platform.remove())

async function readStream(count: number): Promise<Message[]> {
  const abort = new AbortController()
  const response = await store('/changes?since=0', { signal: abort.signal })
  const read: Message[] = []
  for await (const event of serverSentEvents(response)) {
    read.push({ contentType: STRUCTURED, headers: {}, body: JSON.stringify(event) })
    if (read.length === count) break
  }
  abort.abort()
  return read
}

function isAttributeText(text: string): boolean {
  const isWellFormed = Buffer.from(text).toString() === text
  return isWellFormed && !/[\u0000-\u001f\u007f-\u009f]/.test(text)
}

function eventOf({ body }: Message): { attributes: Attributes; data: Change } {
  const { data, ...attributes } = JSON.parse(body) as { data: Change }
  return { attributes: attributes as unknown as Attributes, data }
}

describe.each(PLACES)('on the way to readers (%s)', place => {
  const events = () => messages[place].map(eventOf)
  const of = (id: string) => events().filter(({ data }) => data.id === id)

  test('each write is one event, in order per document', () => {
    const written = new Set(WRITES.map(([, id]) => id))
    expect(new Set(events().map(({ data }) => data.id))).toEqual(written)
    const kinds = of('plain').map(({ data }) => data.kind)
    expect(kinds).toEqual(['new-doc', 'updated-doc', 'updated-doc', 'deleted-doc'])
  })

  test('context attributes are present and have the right types', () => {
    for (const { attributes } of events()) expect(() => ContextAttributes.parse(attributes)).not.toThrow()
  })

  test('names of attributes are lower-case letters and digits, 20 at most', () => {
    const names = events().flatMap(({ attributes }) => Object.keys(attributes))
    for (const name of new Set(names)) expect(name).toMatch(/^[a-z0-9]{1,20}$/)
  })

  test('no attribute is null: unknown ones are absent', () => {
    for (const { attributes } of events()) expect(Object.values(attributes)).not.toContain(null)
  })

  test('source and id identify an event, and are the same when it is redelivered', () => {
    const bodies = new Map<string, Set<string>>()
    for (const message of messages[place]) {
      const { source, id } = eventOf(message).attributes
      const key = `${source} ${id}`
      bodies.set(key, (bodies.get(key) ?? new Set()).add(message.body))
    }
    expect(bodies.size).toBe(WRITES.length)
    for (const same of bodies.values()) expect(same.size).toBe(1)
  })

  test('source is the store of this project', () => {
    const sources = new Set(events().map(({ attributes }) => attributes.source))
    expect([...sources]).toEqual([`/ryo-faas/${platform.project}/store`])
  })

  test('type says what happened', () => {
    for (const { attributes, data } of events()) {
      expect(KINDS).toContain(data.kind)
      expect(attributes.type).toBe(`ryo-faas.store.${data.kind}`)
    }
  })

  test('subject is the document, escaped so that it can be parsed', () => {
    for (const { attributes, data } of events()) {
      expect(attributes.subject!.split('/').map(decodeURIComponent)).toEqual([data.table, data.id])
    }
  })

  test('time is when it was written, and does not go back', () => {
    const times = of('plain').map(({ attributes }) => Date.parse(attributes.time!))
    expect(times.every(time => Math.abs(Date.now() - time) < 600_000)).toBe(true)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  // The sequence extension compares them as text; ours are decimal numbers and are compared as such.
  test('sequence counts from 1 without gaps', () => {
    const sequences = new Set(events().map(({ attributes }) => Number(attributes['sequence'])))
    expect([...sequences].toSorted((a, b) => a - b)).toEqual(WRITES.map((_, index) => index + 1))
  })

  test('the trace of the write is in the attributes of the distributed tracing extension', () => {
    const [traced] = of('traced')
    expect(traced!.attributes['traceparent']).toMatch(/^00-12345678901234567890123456789012-[0-9a-f]{16}-01$/)
    expect(traced!.attributes['tracestate']).toContain('own=1')
  })

  test('data is JSON as datacontenttype says, never base64', () => {
    for (const message of messages[place]) {
      const event = JSON.parse(message.body) as Record<string, unknown>
      expect(event['datacontenttype']).toBe('application/json')
      expect(event).toHaveProperty('data')
      expect(event).not.toHaveProperty('data_base64')
    }
  })

  test.each(WRITES.filter(([method, id]) => method === 'PUT' && id !== 'plain'))(
    '%s %s: the document in it is the one that was written',
    (_method, id, body) => {
      expect(of(id)[0]!.data.after).toMatchObject(body as object)
    },
  )

  test('before and after are present if there is such a document', () => {
    const [created, replaced, merged, deleted] = of('plain').map(({ data }) => [data.before?.data, data.after?.data])
    expect(created).toEqual([undefined, { n: 1 }])
    expect(replaced).toEqual([{ n: 1 }, { n: 2 }])
    expect(merged).toEqual([{ n: 2 }, { n: 3 }])
    expect(deleted).toEqual([{ n: 3 }, undefined])
  })

  test('the SDK of CloudEvents reads each without complaints', () => {
    for (const { contentType, headers, body } of messages[place]) {
      const message = { headers: { ...headers, 'content-type': contentType }, body }
      expect(HTTP.isEvent(message)).toBe(true)
      const event = HTTP.toEvent(message) as CloudEvent<Change>
      expect(event.validate()).toBe(true)
      const { attributes, data } = eventOf({ contentType, headers, body })
      expect(event.data).toEqual(data)
      for (const [name, value] of Object.entries(attributes)) expect(event[name]).toEqual(value)
    }
  })
})

describe('over HTTP', () => {
  test('an instance gets structured mode: one media type, and no attribute in a header', () => {
    for (const { contentType, headers } of messages.instance) {
      expect(contentType).toMatch(/^application\/cloudevents\+json(?:; ?charset=utf-8)?$/)
      expect(Object.keys(headers).filter(name => name.startsWith('ce-'))).toEqual([])
    }
  })

  test('a single event of the log is returned in structured mode, as on the stream', async () => {
    for (const { body } of messages.stream) {
      const { attributes } = eventOf({ contentType: STRUCTURED, headers: {}, body })
      const response = await store(`/changes/${String(attributes['sequence'])}`)
      expect(response.headers.get('content-type')).toBe(`${STRUCTURED}; charset=utf-8`)
      const text = await response.text()
      expect(JSON.parse(text)).toEqual(JSON.parse(body))
      expect(() => HTTP.toEvent({ headers: { 'content-type': STRUCTURED }, body: text })).not.toThrow()
    }
  })

  test('an instance gets the same bytes as in the log', () => {
    const log = new Set(messages.stream.map(({ body }) => body))
    for (const { body } of messages.instance) expect(log).toContain(body)
  })
})

test.each(['id', 'source', 'specversion', 'type'])('an event without %s is invalid', name => {
  const { [name]: _, ...event } = JSON.parse(messages.stream[0]!.body) as Record<string, unknown>
  const { data: __, ...attributes } = event
  expect(() => ContextAttributes.parse(attributes)).toThrow()
})

// The SDK fills in a missing id or version.
test.each(['source', 'type'])('the SDK of CloudEvents reports a missing %s', name => {
  const { [name]: _, ...event } = JSON.parse(messages.stream[0]!.body) as Record<string, unknown>
  const message = { headers: { 'content-type': STRUCTURED }, body: JSON.stringify(event) }
  expect(() => (HTTP.toEvent(message) as CloudEvent).validate()).toThrow(/required/)
})
