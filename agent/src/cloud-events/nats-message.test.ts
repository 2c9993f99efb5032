import { describe, expect, test } from 'vitest'
import { InvalidEventError } from './read-events.ts'
import { eventOfMessage } from './nats-message.ts'

const MADE = { id: 'w.7', source: 'nats://nats.example:4222/ORDERS', time: '2027-01-01T00:00:00.000Z' }
const EVENT = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.paid' }
const TRACEPARENT = '00-12345678901234567890123456789012-1234567890123456-01'

const read = (data: string | Buffer, headers: Record<string, string> = {}) =>
  eventOfMessage({ subject: 'orders.new', data: Buffer.from(data), headers: Object.entries(headers), made: MADE })

describe('a message that is an event', () => {
  test.each<[string, string, Record<string, string>, object]>([
    [
      'structured',
      JSON.stringify({ ...EVENT, data: 1 }),
      { 'content-type': 'application/cloudevents+json' },
      { data: 1 },
    ],
    ['structured without headers', JSON.stringify({ ...EVENT, own: true }), {}, { own: true }],
    [
      'binary',
      '{"amount":3}',
      { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'com.example.paid', 'ce-own': '%C3%A4', 'content-type': 'application/json' }, // prettier-ignore
      { own: 'ä', datacontenttype: 'application/json', data: { amount: 3 } },
    ],
  ])('in %s mode is that event', (_mode, data, headers, expected) => {
    expect(read(data, headers)).toEqual({ ...EVENT, ...expected })
  })

  test('gets the trace of its headers, unless it has one', () => {
    const headers = { traceparent: TRACEPARENT, tracestate: 'a=1' }
    expect(read(JSON.stringify(EVENT), headers)).toEqual({ ...EVENT, ...headers })
    const own = { ...EVENT, traceparent: TRACEPARENT.replaceAll('1', '2') }
    expect(read(JSON.stringify(own), headers)).toEqual(own)
  })

  test.each<[string, string, Record<string, string>]>([
    ['an attribute is wrong', '', { 'ce-specversion': '1.0', 'ce-id': '1' }],
    ['it is no JSON', '{', { 'content-type': 'application/cloudevents+json' }],
    ['there are several in it', '[]', { 'content-type': 'application/cloudevents-batch+json' }],
    ['it claims to be ours', JSON.stringify({ ...EVENT, type: 'ryo-faas.store.new-doc' }), {}],
  ])('is refused if %s', (_what, data, headers) => {
    expect(() => read(data, headers)).toThrow(InvalidEventError)
  })
})

test.each<[string, string | Buffer, Record<string, string>, object]>([
  ['JSON', '{"a":1}', {}, { datacontenttype: 'application/json', data: { a: 1 } }],
  ['text', 'words', {}, { datacontenttype: 'text/plain', data: 'words' }],
  ['bytes', Buffer.from([0, 255]), {}, { datacontenttype: 'application/octet-stream', data_base64: 'AP8=' }],
  ['what its header says', '7', { 'content-type': 'text/plain' }, { datacontenttype: 'text/plain', data: '7' }],
  ['nothing', '', {}, {}],
  ['JSON that only resembles an event', '{"specversion":"1.0"}', {}, { datacontenttype: 'application/json', data: { specversion: '1.0' } }], // prettier-ignore
])('any other message becomes an event: %s', (_what, data, headers, expected) => {
  const made = { specversion: '1.0', type: 'ryo-faas.nats.message', subject: 'orders.new', ...MADE }
  expect(read(data, headers)).toEqual({ ...made, ...expected })
})
