/** How streams and connections end: by the client, by ours, by patience, by a flood. */
import type { Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { untilTrue } from '../../../../test/support/until.ts'
import { CODE, FLAG, FRAME, PREFACE } from './frames.ts'
import * as wire from './http2-testing.ts'
import { begin, GET, hello, POST, stage, type FieldList } from './http2-testing.ts'

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

  test('a client that reads nothing, however much it asks, is not read from; if it goes on, it is let go', async () => {
    await begin(({ response }) => void response.writeHead(200, ['x-large', 'x'.repeat(10_000)]).end())
    // Without the buffers of a system in between.
    const [near, far] = duplexPair()
    const connection = stage.take(Object.assign(far, { destroySoon: () => far.destroy() }) as unknown as Socket)
    near.write(Buffer.concat([Buffer.from(PREFACE), wire.frameOf(FRAME.settings, 0, 0)]))
    const ask = async (from: number) => {
      for (let n = from; n < from + 300; n += 1) {
        near.write(wire.headersOf(2 * n + 1, GET))
        await new Promise(setImmediate)
      }
    }
    await ask(0)
    expect(stage.served.length).toBeGreaterThan(50)
    expect(stage.served.length).toBeLessThan(100)
    near.resume()
    await untilTrue(() => stage.served.length === 300, 'it is read from again')
    near.pause()
    await ask(300)
    expect(far.destroyed).toBe(false)
    connection.check(later(5_001), PATIENCE)
    expect(far.destroyed).toBe(true)
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
