/** What a connection grants, waits for and ends, seen from both of its sides. What breaks the protocol: `../front/http2-frames.test.ts`. */
import http2 from 'node:http2'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { untilTrue } from '../../../../test/support/until.ts'
import { MAX_STREAMS } from './connection.ts'
import { CODE, FLAG, FRAME } from './frames.ts'
import * as wire from './http2-testing.ts'
import { GET, Http2Stage, POST, type FieldList, type Served } from './http2-testing.ts'
import { STREAM_WINDOW } from './stream.ts'

let stage: Http2Stage
afterEach(() => stage.end())

async function begin(serve?: (served: Served) => void): Promise<Http2Stage> {
  stage = await new Http2Stage(serve).start()
  return stage
}

const hello = ({ response }: Served) => response.writeHead(200).end('hello')
const echo = ({ request, response }: Served) => {
  request.on('data', piece => void response.write(piece))
  request.on('end', () => void response.end())
}

describe('what is sent', () => {
  test('no more than the windows of the stream and of the connection allow, and all of it once they grow', async () => {
    await begin(({ response }) => void response.writeHead(200).end('x'.repeat(100_000), 'latin1'))
    const client = await stage.client(wire.settingOf(4, 10))
    client.send(wire.headersOf(1, GET))
    await client.ping()
    expect(client.body(1)).toHaveLength(10)
    client.send(wire.windowOf(1, 100_000))
    await untilTrue(() => client.body(1).length === 65_535, 'the window of the connection is used')
    await client.ping()
    expect([client.body(1).length, client.hasEnded(1)]).toEqual([65_535, false])
    client.send(wire.windowOf(0, 100_000))
    await untilTrue(() => client.hasEnded(1), 'the end')
    expect(client.body(1)).toEqual(Buffer.alloc(100_000, 'x'))
  })

  test('a window that is made smaller than what was sent opens again', async () => {
    await begin(({ response }) => void response.writeHead(200).end('x'.repeat(200), 'latin1'))
    const client = await stage.client(wire.settingOf(4, 100))
    client.send(wire.headersOf(1, GET))
    await client.ping()
    client.send(wire.settingOf(4, 20), wire.windowOf(1, 80))
    await client.ping()
    expect(client.body(1)).toHaveLength(100)
    client.send(wire.windowOf(1, 100))
    await untilTrue(() => client.hasEnded(1), 'the end')
    expect(client.body(1)).toHaveLength(200)
  })

  test('streams take turns', async () => {
    await begin(({ response }) => void response.writeHead(200).end('x'.repeat(60_000), 'latin1'))
    const client = await stage.client(wire.settingOf(4, 0))
    client.send(wire.headersOf(1, GET), wire.headersOf(3, GET))
    await client.ping()
    client.send(wire.settingOf(4, 60_000), wire.windowOf(0, 100_000))
    await untilTrue(() => client.hasEnded(1) && client.hasEnded(3), 'both ends')
    const order = client.of(FRAME.data).map(({ stream }) => stream)
    expect(order.slice(0, 4).sort()).toEqual([1, 1, 3, 3])
  })

  test('who writes is told to wait while the client takes nothing, and goes on when it does', async () => {
    let written = 0
    let drains = 0
    const piece = Buffer.alloc(64 * 1024)
    await begin(({ response }) => {
      const fill = () => {
        while (written < 40 && response.write(piece)) written += 1
        if (written < 40) written += 1
        else response.end()
      }
      response.on('drain', () => {
        drains += 1
        fill()
      })
      fill()
    })
    const client = await stage.client(wire.settingOf(4, 0))
    client.send(wire.headersOf(1, GET))
    await client.ping()
    expect(written).toBeLessThanOrEqual(5)
    client.send(wire.windowOf(0, 2 ** 30), wire.windowOf(1, 2 ** 30))
    await untilTrue(() => client.hasEnded(1), 'the end')
    expect(client.body(1).length).toBeGreaterThanOrEqual(40 * piece.length)
    expect(drains).toBeGreaterThan(1)
  })

  test('all streams together keep no more than a bound', async () => {
    const accepted: number[] = []
    await begin(({ response }) => {
      let count = 1
      while (response.write(Buffer.alloc(16 * 1024))) count += 1
      accepted.push(count)
    })
    const client = await stage.client(wire.settingOf(4, 0))
    client.send(...Array.from({ length: 100 }, (_, n) => wire.headersOf(2 * n + 1, GET)))
    await untilTrue(() => accepted.length === 100, 'all are served')
    expect(accepted.reduce((sum, count) => sum + count) * 16 * 1024).toBeLessThan(4 * 1024 * 1024)
  })

  test.each<[string, FieldList, number, string[]]>([
    ['to HEAD', [[':method', 'HEAD'], ...GET.slice(1)], 200, ['content-length 5']],
    ['with 204', GET, 204, []],
    ['with 304', GET, 304, []],
  ])('an answer %s has no body', async (_what, fields, status, expected) => {
    await begin(({ response }) => void response.writeHead(status).end('hello'))
    const client = await stage.client()
    client.send(wire.headersOf(1, fields))
    await untilTrue(() => client.hasEnded(1), 'the end')
    expect(client.of(FRAME.data)).toEqual([])
    const session = http2.connect(`http://127.0.0.1:${stage.port}`)
    session.on('error', () => undefined)
    const stream = session.request({ ':path': '/', ':method': fields[0]![1] })
    const headers = await new Promise<http2.IncomingHttpHeaders>(resolve => stream.on('response', resolve))
    session.destroy()
    expect(headers[':status']).toBe(status)
    const length = headers['content-length']
    expect(length === undefined ? [] : [`content-length ${length}`]).toEqual(expected)
  })

  test('hints and a leave to continue go ahead; headers keep their order and their number', async () => {
    await begin(({ response }) => {
      response.setHeader('Vary', 'Origin')
      response.setHeader('Server', 'mine')
      response.writeContinue()
      response.writeEarlyHints({ link: ['</a>; rel=preload', '</b>; rel=preload'] })
      response.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'server', 'theirs', 'Connection', 'close'])
      response.end('hello')
      response.writeContinue()
    })
    const session = http2.connect(`http://127.0.0.1:${stage.port}`)
    session.on('error', () => undefined)
    const stream = session.request({ ':path': '/', 'x-no': '1' })
    const interim: unknown[] = []
    stream.on('headers', (headers: http2.IncomingHttpHeaders) => interim.push([headers[':status'], headers.link]))
    const headers = await new Promise<http2.IncomingHttpHeaders>(resolve => stream.on('response', resolve))
    expect(await text(stream)).toBe('hello')
    session.destroy()
    expect(interim).toEqual([
      [100, undefined],
      [103, '</a>; rel=preload, </b>; rel=preload'],
    ])
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], server: 'theirs', vary: 'Origin' })
    expect(Object.keys(headers)).not.toContain('connection')
    expect(headers.date).toBeDefined()
  })

  test('a head that is larger than a frame goes on in another', async () => {
    const cookie = 'c'.repeat(20_000)
    await begin(({ response }) => void response.writeHead(200, ['set-cookie', cookie, 'x-b', cookie]).end())
    const client = await stage.client()
    client.send(wire.headersOf(1, GET))
    await client.ping()
    const frames = client.frames.filter(({ stream }) => stream === 1)
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.headers, FLAG.endStream],
      [FRAME.continuation, 0],
      [FRAME.continuation, FLAG.endHeaders],
    ])
    expect(Buffer.concat(frames.map(({ payload }) => payload)).toString('latin1')).toContain(cookie)
  })

  test('a client that makes its table smaller is told that nothing is in it', async () => {
    await begin(hello)
    const client = await stage.client(wire.settingOf(1, 0))
    client.send(wire.headersOf(1, GET), wire.headersOf(3, GET))
    await client.ping()
    const [first, second] = client.of(FRAME.headers)
    expect([first!.payload[0], second!.payload[0]]).toEqual([0x20, 0x88])
  })

  test('an answer that fails is a reset, never an end', async () => {
    await begin(({ response }) => {
      response.writeHead(200)
      response.write(Buffer.from('part'))
      response.destroy()
      response.end('of no interest')
    })
    const client = await stage.client()
    client.send(wire.headersOf(1, GET))
    await client.ping()
    expect([client.resetOf(1), client.hasEnded(1)]).toEqual(['internal', false])
  })
})

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

describe('how it ends', () => {
  test('a stream that is reset tells its request and its answer, once, and takes nothing more', async () => {
    const told: string[] = []
    await begin(({ request, response }) => {
      request.on('close', () => told.push('request'))
      request.on('end', () => told.push('end'))
      request.on('data', () => undefined)
      response.on('close', () => told.push('response'))
    })
    const client = await stage.client()
    client.send(wire.headersOf(1, POST, { isLast: false }))
    client.send(wire.frameOf(FRAME.rstStream, 0, 1, [0, 0, 0, CODE.cancel]))
    await client.ping()
    expect(told).toEqual(['request', 'response'])
    const { request, response } = stage.served[0]!
    expect([request.destroyed, request.socket.writable]).toEqual([true, false])
    response.writeHead(200).end('late')
    request.socket.destroy()
    await client.ping()
    expect(client.frames.filter(({ stream }) => stream === 1)).toEqual([])
  })

  test('a client that leaves ends all of its streams', async () => {
    let closed = 0
    await begin(({ response }) => response.on('close', () => (closed += 1)))
    const client = await stage.client()
    client.send(wire.headersOf(1, GET), wire.headersOf(3, POST, { isLast: false }))
    await client.ping()
    client.socket.destroy()
    await untilTrue(() => closed === 2, 'both are told')
  })

  test('leaving serves what was sent before the client heard of it, and then no more', async () => {
    await begin()
    const client = await stage.client()
    client.send(wire.headersOf(1, GET))
    await client.ping()
    stage.connections[0]!.leave()
    await untilTrue(() => client.of(FRAME.goaway).length === 1, 'it is told')
    const farewell = client.frames.find(({ type, flags }) => type === FRAME.ping && flags === 0)!
    client.send(wire.headersOf(3, GET), wire.frameOf(FRAME.ping, FLAG.ack, 0, farewell.payload))
    client.send(wire.headersOf(5, GET))
    await client.ping()
    expect(stage.served).toHaveLength(2)
    expect(client.of(FRAME.goaway).map(({ payload }) => payload.readUInt32BE(0))).toEqual([0x7fff_ffff, 3])
    for (const served of stage.served) hello(served)
    await untilTrue(() => client.isClosed, 'the end')
    expect([client.hasEnded(1), client.hasEnded(3), client.goaway]).toEqual([true, true, 'noError'])
  })

  const PATIENCE = { headersTimeoutMs: 1_000, keepAliveTimeoutMs: 5_000 }
  const later = (ms: number) => performance.now() + ms

  test('without requests it is closed after a while, and not before', async () => {
    await begin()
    const client = await stage.client()
    stage.connections[0]!.check(later(4_000), PATIENCE)
    await client.ping()
    expect(client.isClosed).toBe(false)
    stage.connections[0]!.check(later(5_001), PATIENCE)
    await untilTrue(() => client.isClosed, 'the end')
    expect(client.goaway).toBe('noError')
  })

  test.each([
    ['a block of fields', () => wire.frameOf(FRAME.headers, FLAG.endStream, 1, wire.blockOf(GET))],
    ['a frame', () => wire.headersOf(1, GET).subarray(0, 20)],
  ])('%s that does not end is not waited for', async (_what, bytes) => {
    await begin()
    const client = await stage.client()
    client.send(bytes())
    await untilTrue(() => {
      stage.connections[0]!.check(later(1_001), PATIENCE)
      return client.isClosed
    }, 'the end')
    expect(stage.served).toEqual([])
  })

  test('an answer that is not taken for a while is given up; a stream without one may take its time', async () => {
    await begin(({ request, response }) => {
      if (request.url === '/stalled') response.writeHead(200).end('x'.repeat(100), 'latin1')
    })
    const client = await stage.client(wire.settingOf(4, 0))
    const stalled: FieldList = [...GET.slice(0, 3), [':path', '/stalled']]
    client.send(wire.headersOf(1, GET), wire.headersOf(3, stalled))
    await client.ping()
    stage.connections[0]!.check(later(5_001), PATIENCE)
    await client.ping()
    expect([client.resetOf(1), client.resetOf(3), client.isClosed]).toEqual([undefined, 'cancel', false])
  })

  test('a client that reads nothing, however much it asks, is not read from, and let go', async () => {
    await begin(({ response }) => void response.writeHead(200, ['x-large', 'x'.repeat(10_000)]).end())
    const client = await stage.client()
    client.socket.pause()
    let stream = 1
    const ask = () => {
      if (client.isClosed || client.socket.writableLength > 0) return
      client.send(...Array.from({ length: 100 }, () => wire.headersOf((stream += 2), GET)))
    }
    let before = -1
    // Until it takes no more.
    await untilTrue(() => {
      ask()
      const isSame = stage.served.length === before && client.socket.writableLength > 0
      before = stage.served.length
      return isSame
    }, 'it is not read from')
    const { length } = stage.served
    expect(length).toBeGreaterThan(100)
    await untilTrue(() => {
      stage.connections[0]!.check(later(5_001), PATIENCE)
      client.socket.resume()
      return client.isClosed
    }, 'the end')
  })
})

describe('a flood ends the connection:', () => {
  const ping = wire.frameOf(FRAME.ping, 0, 0, Buffer.alloc(8))
  const many = (count: number, each: (n: number) => Buffer) => Array.from({ length: count }, (_, n) => each(n))
  test.each<[string, Buffer[]]>([
    ['pings (CVE-2019-9512)', many(5_000, () => ping)],
    ['priorities', many(5_000, () => wire.frameOf(FRAME.priority, 0, 1, [0, 0, 0, 0, 1]))],
    ['unknown frames', many(5_000, () => wire.frameOf(0x42, 0, 0))],
    ['windows that grow for nothing', many(20_000, () => wire.windowOf(0, 1))],
    ['SETTINGS of many', [wire.frameOf(FRAME.settings, 0, 0, Buffer.alloc(6 * 33))]],
    ['requests that are malformed', many(400, n => wire.headersOf(2 * n + 1, [['x', 'y']]))],
    [
      'streams that we have to reset (CVE-2025-8671)',
      many(400, n =>
        Buffer.concat([wire.headersOf(2 * n + 1, POST, { isLast: false }), wire.headersOf(2 * n + 1, GET)]),
      ),
    ],
    ['DATA for streams that are over', [wire.headersOf(1, GET), ...many(5_000, () => wire.dataOf(1, 'x'))]],
    [
      'empty continuations (CVE-2024-27316)',
      [wire.frameOf(FRAME.headers, 0, 1, wire.blockOf(GET)), ...many(50, () => wire.frameOf(FRAME.continuation, 0, 1))],
    ],
  ])('%s', async (_what, frames) => {
    await begin()
    const client = await stage.client()
    client.send(...frames)
    await untilTrue(() => client.isClosed, 'the end')
    const other = await stage.client()
    expect(other.isClosed).toBe(false)
  })

  test('not what a busy client says of each request and of each part of its answer', async () => {
    await begin(({ response }) => {
      response.writeHead(200)
      for (let n = 0; n < 10; n += 1) response.write(Buffer.from('x'))
      response.end()
    })
    const client = await stage.client()
    for (let n = 0; n < 3_000; n += 1) {
      const stream = 2 * n + 1
      client.send(wire.frameOf(FRAME.priority, 0, stream, [0, 0, 0, 0, 1]), wire.headersOf(stream, GET))
      client.send(wire.windowOf(0, 10), wire.frameOf(FRAME.priority, 0, stream, [0, 0, 0, 0, 1]))
      if (n % 100 === 99) await untilTrue(() => client.isClosed || client.hasEnded(stream), 'the end')
    }
    expect([client.isClosed, stage.served.length]).toEqual([false, 3_000])
  })
})
