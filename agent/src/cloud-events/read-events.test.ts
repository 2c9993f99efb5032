import { HTTP, type CloudEvent as SdkEvent } from 'cloudevents'
import { describe, expect, it, test } from 'vitest'
import { InvalidEventError, readEvents } from './read-events.ts'

const EVENT = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.paid' }
const CE = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'com.example.paid' }

const read = (headers: Record<string, string>, body: string | Buffer = '') =>
  readEvents({ rawHeaders: Object.entries(headers).flat(), body: Buffer.from(body) })
const structured = (event: unknown) => read({ 'Content-Type': 'application/cloudevents+json; charset=utf-8' }, JSON.stringify(event)) // prettier-ignore
const messageOf = (reading: () => unknown): string => {
  try {
    return JSON.stringify(reading())
  } catch (error) {
    if (!(error instanceof InvalidEventError)) throw error
    return error.message
  }
}

describe('an invalid attribute is named', () => {
  test.each<[attribute: string, value: unknown]>([
    ['specversion', '0.3'],
    ['specversion', 1],
    ['specversion', undefined],
    ['id', ''],
    ['id', 7],
    ['id', undefined],
    ['id', null],
    ['id', 'a\u0000b'],
    ['id', '\ud800'],
    ['source', 'two words'],
    ['source', undefined],
    ['type', ''],
    ['type', undefined],
    ['type', 'x'.repeat(1_025)],
    ['type', 'ryo-faas.store.new-doc'],
    ['subject', ''],
    ['time', '2026-11-26'],
    ['time', '2026-13-01T00:00:00Z'],
    ['datacontenttype', 'json'],
    ['dataschema', '/relative'],
    ['Upper', 'x'],
    ['with-dash', 'x'],
    ['dataset', {}],
    ['extension', 1.5],
    ['extension', 2 ** 31],
    ['extension', []],
    ['data_base64', '***'],
    ['data_base64', 7],
  ])('%s: %j', (attribute, value) => {
    expect(messageOf(() => structured({ ...EVENT, [attribute]: value }))).toMatch(new RegExp(`^${attribute}: `))
  })

  test('data next to data_base64', () => {
    expect(messageOf(() => structured({ ...EVENT, data: 1, data_base64: 'AA==' }))).toMatch(/^data_base64: /)
  })

  test.each([[], 'text', 7, null])('an event that is %j', event => {
    expect(messageOf(() => structured(event))).toMatch(/^event: /)
  })

  test('a body that is not JSON, or not UTF-8', () => {
    const type = { 'content-type': 'application/cloudevents+json' }
    expect(messageOf(() => read(type, '{'))).toMatch(/^event: /)
    expect(messageOf(() => read(type, Buffer.from([0x22, 0xff, 0x22])))).toMatch(/^event: /)
  })
})

it.each([
  ['source', 'urn:example:com:%20'],
  ['source', 'https://user@example.com:8080/a/b?c=d#e'],
  ['time', '2026-11-26T10:00:00.123456789+05:30'],
  ['time', '1990-12-31T23:59:60Z'],
  ['type', 'ä 😀'],
  ['subject', '/a b'],
  ['extension', -(2 ** 31)],
  ['extension', false],
  ['extension', ''],
  ['data', null],
  ['data', 'text'],
])('%s may be %j', (attribute, value) => {
  expect(structured({ ...EVENT, [attribute]: value })).toEqual([{ ...EVENT, [attribute]: value }])
})

it('an attribute that is null is absent', () => {
  expect(structured({ ...EVENT, subject: null, own: null, data_base64: null })).toEqual([EVENT])
})

describe('the binary mode', () => {
  it('decodes attributes: percent-encoded UTF-8, quotes, and names in any case', () => {
    const [event] = read({
      ...CE,
      'CE-Subject': 'Euro %E2%82%AC %F0%9F%98%80',
      'ce-own': '"a \\"b\\""',
      'ce-odd': '100%',
    })
    expect(event).toEqual({ ...EVENT, subject: 'Euro € 😀', own: 'a "b"', odd: '100%' })
  })

  it.each<[contentType: string | undefined, body: string | Buffer, rest: object]>([
    ['application/json', '{"a":[1,null]}', { data: { a: [1, null] } }],
    ['application/vnd.example+json; charset=utf-8', '7', { data: 7 }],
    ['text/plain', 'Grüße', { data: 'Grüße' }],
    ['text/plain', Buffer.from([0xff]), { data_base64: '/w==' }],
    ['application/octet-stream', Buffer.from([0, 255]), { data_base64: 'AP8=' }],
    [undefined, Buffer.from('x'), { data_base64: 'eA==' }],
    ['application/json', '', {}],
  ])('reads data of %s', (contentType, body, rest) => {
    const type = contentType === undefined ? {} : { 'content-type': contentType }
    const expected = contentType === undefined ? {} : { datacontenttype: contentType }
    expect(read({ ...CE, ...type }, body)).toEqual([{ ...EVENT, ...expected, ...rest }])
  })

  it('names what is wrong', () => {
    const { 'ce-id': _, ...without } = CE
    expect(messageOf(() => read(without))).toMatch(/^id: /)
    expect(messageOf(() => read({ ...CE, 'Ce-Id': '2' }))).toMatch(/^id: is there twice/)
    expect(messageOf(() => read({ ...CE, 'ce-subject': '%ff' }))).toMatch(/^subject: /)
    expect(messageOf(() => read({ ...CE, 'ce-data': 'x' }))).toMatch(/^data: /)
    expect(messageOf(() => read({ ...CE, 'content-type': 'application/json' }, '{'))).toMatch(/^data: /)
    expect(messageOf(() => read({}, 'x'))).toMatch(/^specversion: is missing; send application\/cloudevents\+json/)
    expect(messageOf(() => read({ 'content-type': 'application/cloudevents+xml' }, 'x'))).toMatch(/^content-type: /)
  })
})

it('a batch may be empty, and is a list', () => {
  const type = { 'content-type': 'application/cloudevents-batch+json' }
  expect(read(type, '[]')).toEqual([])
  expect(messageOf(() => read(type, '{}'))).toMatch(/^batch: /)
  expect(messageOf(() => read(type, '[{}]'))).toMatch(/^event 1 of 1: specversion: is missing/)
})

// The features of the specification's own conformance tests for HTTP, and what its SDK reads from the same requests.
describe('conformance', () => {
  const attributes = {
    ...{ specversion: '1.0', type: 'com.example.someevent', time: '2018-04-05T03:56:24Z' },
    ...{ id: '1234-1234-1234', source: '/mycontext/subcontext' },
  }
  const data = { message: 'Hello World!' }
  const asHeaders = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]))
  const bySdk = (headers: Record<string, string>, body: string): unknown[] =>
    [HTTP.toEvent({ headers, body })].flat().map(event => JSON.parse(JSON.stringify(event)) as SdkEvent)
  const comparable = (events: readonly unknown[]) =>
    events.map(event => {
      const { time, ...rest } = event as { time: string }
      return { ...rest, time: Date.parse(time) }
    })

  it.each(['application/json', 'application/json; charset=utf-8'])('binary content mode, %s', type => {
    const headers = { ...asHeaders, 'content-type': type }
    const body = JSON.stringify(data, null, 4)
    const events = read(headers, body)
    expect(events).toEqual([{ ...attributes, datacontenttype: type, data }])
    expect(comparable(events)).toEqual(comparable(bySdk(headers, body)))
  })

  const event = { ...attributes, datacontenttype: 'application/json', data }
  it.each(['application/cloudevents+json', 'application/cloudevents+json; charset=utf-8'])(
    'structured content mode, %s',
    type => {
      const events = read({ 'content-type': type }, JSON.stringify(event))
      expect(events).toEqual([event])
      expect(comparable(events)).toEqual(comparable(bySdk({ 'content-type': type }, JSON.stringify(event))))
    },
  )

  it.each(['application/cloudevents-batch+json', 'application/cloudevents-batch+json; charset=utf-8'])(
    'batched content mode, %s',
    type => {
      const batch = [event, { ...event, id: 'another' }]
      const events = read({ 'content-type': type }, JSON.stringify(batch))
      expect(events).toEqual(batch)
      expect(comparable(events)).toEqual(comparable(bySdk({ 'content-type': type }, JSON.stringify(batch))))
    },
  )
})
