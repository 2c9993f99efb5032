/**
 * Clients that nobody thought of: Node's own (nghttp2), which does at random what a client may do, and one that sends
 * what such a client has sent with bytes, frames and cuts changed. The same again with the same seed.
 */
import http2 from 'node:http2'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { SeededRandom } from '../../../../test/chaos/seeded-random.ts'
import { untilTrue } from '../../../../test/support/until.ts'
import { FRAME, FRAME_HEAD_BYTES, PREFACE } from './frames.ts'
import * as wire from './http2-testing.ts'
import { GET, Http2Stage, POST, type Served } from './http2-testing.ts'

const SEED = Number(process.env['FUZZ_SEED'] ?? 9113)
const CALLS = 300
const ROUNDS = 400
const CANCEL = http2.constants.NGHTTP2_CANCEL

let stage: Http2Stage
afterEach(() => stage.end())

/** Sends back the body, in pieces and with backpressure, and says what it saw of the head. */
function mirror({ request, response }: Served): void {
  const { 'x-said': said = '', 'x-refuse': refuse } = request.headers
  if (refuse !== undefined) return void response.writeHead(403).end('no')
  response.writeHead(200, ['X-Said', String(said), 'X-Path', request.url!])
  response.on('drain', () => request.resume())
  request.on('data', piece => {
    if (!response.write(piece)) request.pause()
  })
  request.on('end', () => response.end())
}

function anyText(random: SeededRandom, most: number): string {
  const length = random.below(most)
  return Array.from({ length }, () => String.fromCharCode(0x21 + random.below(0x5e))).join('')
}

test(`what Node's client does at random is answered as it should be (seed ${SEED})`, async () => {
  stage = await new Http2Stage(mirror).start()
  const random = new SeededRandom(SEED)
  const outcomes = { whole: 0, cancelled: 0, refused: 0 }
  for (let left = CALLS; left > 0; left -= 30) {
    const session = http2.connect(`http://127.0.0.1:${stage.port}`, {
      maxSessionMemory: 100,
      settings: {
        initialWindowSize: random.pick([2_000, 65_535, 1_000_000]),
        headerTableSize: random.pick([0, 100, 4096, 65_536]),
      },
    })
    session.on('error', () => undefined)
    const calls = Array.from({ length: 30 }, async () => {
      const said = anyText(random, random.pick([2, 50, 3_000]))
      const path = `/${anyText(random, 60)}`
      const body = Buffer.from(anyText(random, random.pick([1, 100, 30_000])).repeat(random.pick([1, 1, 10])))
      const kind = random.pick(['whole', 'whole', 'whole', 'cancelled', 'refused'] as const)
      const isSized = random.below(2) === 1
      const stream = session.request({
        ...{ ':method': 'POST', ':path': path, 'x-said': said, [`x-${random.below(200)}`]: anyText(random, 30) },
        ...(isSized && { 'content-length': body.length }),
        ...(kind === 'refused' && { 'x-refuse': '1' }),
        cookie: ['a=1', 'b=2'],
      })
      const ended = new Promise<void>(resolve => stream.on('close', resolve))
      stream.on('error', () => undefined)
      const head = new Promise<http2.IncomingHttpHeaders | undefined>(resolve => {
        stream.on('response', resolve).on('close', () => resolve(undefined))
      })
      for (let at = 0; at < body.length;) {
        const length = Math.min(body.length - at, 1 + random.below(20_000))
        stream.write(body.subarray(at, at + length))
        at += length
      }
      if (kind === 'cancelled' && random.below(2) === 0) stream.close(CANCEL)
      stream.end()
      const answer = await head
      if (kind === 'cancelled') stream.resume().close(CANCEL)
      const seen = kind === 'cancelled' ? undefined : await buffer(stream).catch(() => undefined)
      if (kind === 'whole') {
        expect([answer?.['x-said'], answer?.['x-path']]).toEqual([said, path])
        expect(seen?.equals(body)).toBe(true)
      }
      if (kind === 'refused') expect(answer?.[':status']).toBe(403)
      outcomes[kind] += 1
      await ended
    })
    await Promise.all(calls)
    session.close()
    await new Promise<void>(resolve => (session.closed && session.destroyed ? resolve() : session.on('close', resolve)))
  }
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(CALLS / 20)
  // Nothing is left over.
  for (const { request } of stage.served) expect(request.socket.writable).toBe(false)
})

/** What clients send, frame by frame. */
function sample(random: SeededRandom): Buffer[] {
  const table = wire.frameOf(FRAME.headers, 5, 9, [0x82, 0x87, 0x84, 0x41, 0x01, 0x61, 0x40, 1, 120, 1, 121, 0xbe])
  const huffman = wire.frameOf(FRAME.headers, 5, 11, [0x82, 0x87, 0x84, 0x41, 0x83, 0x1c, 0x64, 0x2f])
  const [head, tail] = [wire.blockOf(GET.slice(0, 2)), wire.blockOf(GET.slice(2))]
  return [
    wire.headersOf(1, GET),
    wire.headersOf(3, POST, { isLast: false }),
    wire.dataOf(3, Buffer.alloc(random.below(3_000), 'x')),
    wire.dataOf(3, 'end', { isLast: true }),
    wire.headersOf(5, [...POST, ['content-length', '4']], { isLast: false }),
    wire.dataOf(5, 'four'),
    wire.headersOf(5, [['x-sum', '1']]),
    Buffer.concat([wire.frameOf(FRAME.headers, 1, 7, head), wire.frameOf(FRAME.continuation, 4, 7, tail)]),
    table,
    huffman,
    wire.windowOf(0, 1 + random.below(100_000)),
    wire.windowOf(3, 1 + random.below(100_000)),
    wire.settingOf(random.pick([1, 3, 4, 5, 6, 77]), random.pick([0, 1, 16_384, 65_535, 2 ** 31 - 1])),
    wire.frameOf(FRAME.ping, 0, 0, Buffer.alloc(8)),
    wire.frameOf(FRAME.priority, 0, 3, [0, 0, 0, 0, 9]),
    wire.frameOf(FRAME.rstStream, 0, random.pick([1, 3, 5]), [0, 0, 0, 8]),
    wire.frameOf(0x20 + random.below(10), random.below(256), random.below(9), Buffer.alloc(random.below(30))),
  ]
}

function mutated(random: SeededRandom): Buffer {
  let frames = sample(random)
  if (random.below(3) === 0) frames = random.shuffled(frames)
  for (let n = random.below(3); n > 0; n -= 1) frames.splice(random.below(frames.length), 1)
  for (let n = random.below(3); n > 0; n -= 1) frames.splice(random.below(frames.length), 0, random.pick(frames))
  const bytes = Buffer.concat([Buffer.from(PREFACE), wire.frameOf(FRAME.settings, 0, 0), ...frames])
  for (let n = random.below(6); n > 0; n -= 1) {
    bytes[PREFACE.length + random.below(bytes.length - PREFACE.length)] = random.below(256)
  }
  // The head of some frame: its length, type, flags or stream.
  if (random.below(2) === 0) {
    const before = Buffer.concat(frames.slice(0, random.below(frames.length))).length
    const at = PREFACE.length + FRAME_HEAD_BYTES + before + random.below(FRAME_HEAD_BYTES)
    if (at < bytes.length) bytes[at] = random.pick([0, 1, 2, 4, 5, 8, 9, 255])
  }
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes
}

test(`changed frames, ${ROUNDS} times: no crash, no hang, nothing left over (seed ${SEED})`, async () => {
  stage = await new Http2Stage(mirror).start()
  const random = new SeededRandom(SEED)
  const outcomes = { closed: 0, alive: 0 }
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = mutated(random)
    const client = new wire.FrameClient(net.connect(stage.port, '127.0.0.1'))
    for (let at = 0; at < bytes.length;) {
      const length = random.pick([1, 9, 100, bytes.length])
      client.send(bytes.subarray(at, at + length))
      at += length
      if (random.below(10) === 0) await new Promise(setImmediate)
    }
    // What is cut off, or says that more is to come, is given up when it is not; what is whole answers.
    client.socket.end(wire.frameOf(FRAME.ping, 0, 0, [7, 7, 7, 7, 7, 7, 7, 7]))
    await untilTrue(() => client.isClosed, `round ${round}: the end`)
    const isAlive = client.of(FRAME.ping).some(({ flags, payload }) => flags === 1 && payload[0] === 7)
    outcomes[isAlive ? 'alive' : 'closed'] += 1
    for (const { type, payload } of client.frames) {
      if (type === FRAME.data || type === FRAME.headers) expect(payload.length).toBeLessThanOrEqual(16_384)
    }
  }
  // Both were met often enough to mean something.
  expect(outcomes.closed).toBeGreaterThan(ROUNDS / 10)
  expect(outcomes.alive).toBeGreaterThan(ROUNDS / 10)
  await untilTrue(() => stage.served.every(({ request }) => !request.socket.writable), 'all streams are over')
  expect(stage.served.length).toBeGreaterThan(ROUNDS)
  // It still serves.
  const client = await stage.client()
  client.send(wire.headersOf(1, GET))
  await untilTrue(() => client.hasEnded(1), 'an answer')
})
