/** What a connection sends, and what waits for the client. */
import http2 from 'node:http2'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { untilTrue } from '../../../../test/support/until.ts'
import { FLAG, FRAME } from './frames.ts'
import * as wire from './http2-testing.ts'
import { begin, GET, hello, stage, type FieldList } from './http2-testing.ts'

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
