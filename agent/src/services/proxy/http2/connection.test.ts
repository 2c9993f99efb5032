/** What a connection takes, and what it refuses. What breaks the protocol: `../front/http2-frames.test.ts`. */
import { describe, expect, test } from 'vitest'
import { untilTrue } from '../../../../test/support/until.ts'
import { MAX_STREAMS } from './connection.ts'
import { CODE, FLAG, FRAME } from './frames.ts'
import * as wire from './http2-testing.ts'
import { begin, GET, POST, stage, type FieldList, type Served } from './http2-testing.ts'
import { STREAM_WINDOW } from './stream.ts'

const hello = ({ response }: Served) => response.writeHead(200).end('hello')
const echo = ({ request, response }: Served) => {
  request.on('data', piece => void response.write(piece))
  request.on('end', () => void response.end())
}

describe('what is taken', () => {
  test('a body that nobody reads fills its window and no more; once it is read, more may come', async () => {
    await begin()
    const client = await stage.client()
    client.send(wire.headersOf(1, POST, { isLast: false }))
    for (let sent = 0; sent < STREAM_WINDOW; sent += 16_384) client.send(wire.dataOf(1, Buffer.alloc(16_384)))
    await client.ping()
    expect(client.of(FRAME.windowUpdate, 1)).toEqual([])
    let read = 0
    stage.served[0]!.request.on('data', piece => (read += piece.length))
    await untilTrue(() => client.of(FRAME.windowUpdate, 1).length > 0, 'more is granted')
    client.send(wire.dataOf(1, Buffer.alloc(1000)))
    await untilTrue(() => read === STREAM_WINDOW + 1000, 'all is read')
    expect(client.goaway).toBeUndefined()
  })

  test.each([
    ['a stream', [1]],
    ['the connection', Array.from({ length: 20 }, (_, n) => 2 * n + 1)],
  ])('a client that exceeds the window of %s loses its connection', async (_what, streams) => {
    await begin()
    const client = await stage.client()
    for (const stream of streams) client.send(wire.headersOf(stream, POST, { isLast: false }))
    const frames = STREAM_WINDOW / 16_384 + (streams.length === 1 ? 1 : 0)
    for (const stream of streams) {
      for (let n = 0; n < frames; n += 1) client.send(wire.dataOf(stream, Buffer.alloc(16_384)))
    }
    await untilTrue(() => client.isClosed, 'the end')
    expect(client.goaway).toBe('flowControl')
  })

  test('what was not read of streams that are over is given back to the connection', async () => {
    await begin()
    const client = await stage.client()
    for (let stream = 1; stream < 41; stream += 2) {
      client.send(wire.headersOf(stream, POST, { isLast: false }))
      for (let n = 0; n < 8; n += 1) client.send(wire.dataOf(stream, Buffer.alloc(16_384)))
      client.send(wire.frameOf(FRAME.rstStream, 0, stream, [0, 0, 0, CODE.cancel]))
      await client.ping()
    }
    expect(client.goaway).toBeUndefined()
    const granted = client.of(FRAME.windowUpdate, 0).slice(1)
    expect(granted.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0)).toBeGreaterThan(2 * 1024 * 1024)
  })

  test('padding counts, and is no part of the body', async () => {
    await begin(echo)
    const client = await stage.client()
    const padded = (stream: number, bytes: string, flags: number) =>
      wire.frameOf(FRAME.data, FLAG.padded | flags, stream, [200, ...Buffer.from(bytes), ...Buffer.alloc(200)])
    const block = wire.blockOf(POST)
    const weighed = [3, 0, 0, 0, 0, 15, ...block, 0, 0, 0]
    client.send(
      wire.frameOf(FRAME.headers, FLAG.endHeaders | FLAG.padded | FLAG.priority, 1, weighed),
      ...Array.from({ length: 400 }, () => padded(1, 'ab', 0)),
      padded(1, 'c', FLAG.endStream),
    )
    await untilTrue(() => client.hasEnded(1), 'the end')
    expect(client.body(1).toString()).toBe('ab'.repeat(400) + 'c')
    expect(client.of(FRAME.windowUpdate, 1).length).toBeGreaterThan(0)
  })

  test('trailers are read and left out; what is none is a reset', async () => {
    await begin(echo)
    const client = await stage.client()
    const open = (stream: number) =>
      client.send(wire.headersOf(stream, POST, { isLast: false }), wire.dataOf(stream, 'body'))
    for (const stream of [1, 3, 5, 7]) open(stream)
    client.send(
      wire.headersOf(1, [['x-sum', '1']]),
      wire.headersOf(3, [['x-sum', '1']], { isLast: false }),
      wire.headersOf(5, [[':path', '/']]),
      wire.headersOf(7, [['X-Sum', '1']]),
    )
    await untilTrue(() => client.hasEnded(1), 'the end')
    await client.ping()
    expect(client.body(1).toString()).toBe('body')
    expect([3, 5, 7].map(stream => client.resetOf(stream))).toEqual(['protocol', 'protocol', 'protocol'])
    expect(client.goaway).toBeUndefined()
  })

  test('an answer that comes early ends the stream, and what was on its way is no mistake', async () => {
    await begin(hello)
    const client = await stage.client()
    client.send(wire.headersOf(1, POST, { isLast: false }))
    await client.ping()
    expect([client.hasEnded(1), client.resetOf(1)]).toEqual([true, 'noError'])
    client.send(wire.dataOf(1, 'late'), wire.headersOf(1, [['x-late', '1']]), wire.headersOf(3, GET))
    await client.ping()
    expect([client.goaway, client.hasEnded(3)]).toEqual([undefined, true])
  })

  test.each<[string, FieldList, string]>([
    ['host', [...GET.filter(([name]) => name !== ':authority'), ['host', 'b.test']], 'b.test'],
    ['both, which are the same', [...GET, ['host', 'A.TEST']], 'a.test'],
    ['neither', GET.filter(([name]) => name !== ':authority'), ''],
  ])('a request says where it goes by %s', async (_what, fields, host) => {
    await begin(hello)
    const client = await stage.client()
    client.send(wire.headersOf(1, fields))
    await client.ping()
    expect(stage.served[0]!.request.rawHeaders.slice(0, 2)).toEqual(['host', host])
    expect(stage.served[0]!.request.rawHeaders.filter(name => name === 'host')).toHaveLength(1)
  })

  test('fields are put as HTTP/1.1 would: cookies joined, lists joined, what is single taken once, framing said', async () => {
    await begin()
    const client = await stage.client()
    const fields: FieldList = [
      ['cookie', 'a=1'],
      ['x-list', 'one'],
      ['authorization', 'first'],
      ['cookie', 'b=2'],
      ['x-list', 'two'],
      ['authorization', 'second'],
      ['te', 'trailers'],
      ['__proto__', 'x'],
    ]
    client.send(wire.headersOf(1, [...POST, ...fields], { isLast: false }))
    await client.ping()
    const { headers, rawHeaders, method, url, complete } = stage.served[0]!.request
    expect({ ...headers }).toMatchObject({ host: 'a.test', cookie: 'a=1; b=2', 'x-list': 'one, two' })
    expect(headers.authorization).toBe('first')
    expect([method, url, complete]).toEqual(['POST', '/', false])
    expect(rawHeaders.join(' ')).toBe(
      'host a.test x-list one authorization first x-list two authorization second __proto__ x ' +
        'cookie a=1; b=2 transfer-encoding chunked',
    )
  })

  const bad = (...fields: FieldList): FieldList => [...GET, ...fields]
  test.each<[string, FieldList, boolean]>([
    ['has two hosts that differ', bad(['host', 'b.test']), true],
    ['has two hosts', bad(['host', 'a.test'], ['host', 'a.test']), true],
    ['announces a body and has none', bad(['content-length', '1']), true],
    ['has two lengths', bad(['content-length', '0'], ['content-length', '0']), true],
    ['has a length that is no number', bad(['content-length', '+1']), true],
    ['has a blank in front of a value', bad(['x-a', ' b']), true],
    ['has a control character', bad(['x-a', 'b\x01c']), true],
    ['has a name of nothing', bad(['', 'b']), true],
    ['has a blank in a name', bad(['x a', 'b']), true],
    ['wants to upgrade', bad(['upgrade', 'websocket']), true],
    ['keeps a connection alive', bad(['keep-alive', 'timeout=5']), true],
    ['has a target that is no path', [GET[0]!, GET[1]!, GET[2]!, [':path', 'a.test/']], true],
    ['has a path with a line break', [GET[0]!, GET[1]!, GET[2]!, [':path', '/ HTTP/1.1\r\nx: y\r\n\r\n']], true],
    ['has a method with a blank', [[':method', 'GET /x'], ...GET.slice(1)], true],
    ['is a tunnel with a path', [[':method', 'CONNECT'], ...GET.slice(1)], false],
    [
      'is a tunnel',
      [
        [':method', 'CONNECT'],
        [':authority', 'a.test:443'],
      ],
      false,
    ],
    ['has a method that nobody knows', [[':method', 'get'], ...GET.slice(1)], false],
    [
      'has a head that is too large',
      bad(...Array.from({ length: 9 }, () => ['x-a', 'y'.repeat(2_000)] as const)),
      false,
    ],
  ])('nobody serves a request that %s', async (_what, fields, isReset) => {
    await begin(hello)
    const client = await stage.client()
    client.send(wire.headersOf(1, fields.slice(0, 8)))
    await client.ping()
    if (fields.length > 8) {
      client.send(wire.frameOf(FRAME.headers, FLAG.endStream, 3, wire.blockOf(fields.slice(0, 8))))
      client.send(wire.frameOf(FRAME.continuation, FLAG.endHeaders, 3, wire.blockOf(fields.slice(8))))
      await client.ping()
      expect(client.of(FRAME.headers, 3)[0]!.payload.toString('latin1')).toContain('431')
      return
    }
    expect(stage.served).toEqual([])
    if (isReset) expect(client.resetOf(1)).toBe('protocol')
    else expect(client.of(FRAME.headers, 1)[0]!.payload[0]).toBe(0x8c) // :status 400
    expect(client.goaway).toBeUndefined()
  })

  test('more streams than allowed are refused, and cost the others nothing', async () => {
    await begin()
    const client = await stage.client()
    client.send(...Array.from({ length: MAX_STREAMS + 2 }, (_, n) => wire.headersOf(2 * n + 1, GET)))
    await client.ping()
    expect(stage.served).toHaveLength(MAX_STREAMS)
    expect(client.resetOf(2 * MAX_STREAMS + 1)).toBe('refusedStream')
    for (const served of stage.served) hello(served)
    await untilTrue(() => client.hasEnded(2 * MAX_STREAMS - 1), 'the end')
  })
})
