/**
 * What a client of HTTP/2 may get wrong, frame by frame (RFC 9113; CVE numbers where somebody made an attack of it): how the
 * connection or the stream ends, and that nothing of it reaches a function.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Stage } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'
import { TestAuthority } from './front-testing.ts'

const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const
const [END_STREAM, ACK, END_HEADERS, PADDED] = [1, 1, 4, 8]
const CODES = {
  NO_ERROR: 0,
  PROTOCOL: 1,
  INTERNAL: 2,
  FLOW_CONTROL: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE: 6,
  COMPRESSION: 9,
  CALM: 11,
}
type Code = keyof typeof CODES

const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const NO_SETTINGS = frame(SETTINGS, 0, 0)
/** Fields from the static table of RFC 7541. */
const [GET, POST, PATH_ROOT, HTTPS] = [0x82, 0x83, 0x84, 0x87]
const literal = (name: string, value: string) => [
  0,
  name.length,
  ...Buffer.from(name),
  value.length,
  ...Buffer.from(value),
]
const PATH = literal(':path', '/functions/fn')
const AUTHORITY = literal(':authority', 'a.test')
const REQUEST = [GET, HTTPS, ...PATH, ...AUTHORITY]
const asked = (stream = 1, fields = REQUEST, flags = END_STREAM | END_HEADERS) => frame(HEADERS, flags, stream, fields)
const setting = (id: number, value: number) => [0, id, ...u32(value)]

/** RFC 9113 §4.1. */
function frame(type: number, flags: number, stream: number, payload: readonly number[] = []): Buffer {
  const { length } = payload
  return Buffer.from([length >> 16, (length >> 8) & 255, length & 255, type, flags, ...u32(stream), ...payload])
}

let stage: Stage
let proxy: Proxy
let port: number
let ca: string
let calls: string[]

beforeAll(async () => {
  const authority = await TestAuthority.create()
  ca = authority.pem
  stage = new Stage()
  const folder = await mkdtemp(join(tmpdir(), 'rfa-frames-'))
  stage.onEnd(() => rm(folder, { recursive: true }))
  await authority.write(folder, 'a', ['a.test'])
  proxy = await stage.proxy({ front: { host: '127.0.0.1', port: 0, certificates: folder } })
  port = proxy.front!.port
  const instance = await stage.http((request, response) => {
    request.resume().on('end', () => {
      calls.push(`${request.method} ${request.url}`)
      response.end('ok')
    })
    request.on('error', () => undefined)
  })
  await stage.serve(proxy, [instance])
})
afterAll(() => stage.end())
beforeEach(async () => {
  // What a test began has ended.
  await expect.poll(async () => (await proxy.stats()).functions.every(({ inflight }) => inflight === 0)).toBe(true)
  calls = []
})

interface Seen {
  /** Code of GOAWAY, if there was one. */
  goaway?: Code | undefined
  /** Code of RST_STREAM for each stream that was reset. */
  reset: Record<number, Code | undefined>
  /** Streams that were answered. */
  answered: number[]
  pings: number
  settingsAcks: number
}

const nameOf = (code: number) => (Object.keys(CODES) as Code[]).find(name => CODES[name] === code)

/** Sends it all, then a ping, and reads until the answer of that, or the end. */
async function send(bytes: readonly Buffer[], preface: readonly Buffer[] = [PREFACE, NO_SETTINGS]): Promise<Seen> {
  const socket = tls.connect({ host: '127.0.0.1', port, ca, servername: 'a.test', ALPNProtocols: ['h2'] })
  stage.onEnd(() => void socket.destroy())
  socket.on('error', () => undefined)
  const seen: Seen = { goaway: undefined, reset: {}, answered: [], pings: 0, settingsAcks: 0 }
  let rest = Buffer.alloc(0)
  await new Promise<void>(resolve => {
    socket.on('data', (piece: Buffer) => {
      rest = Buffer.concat([rest, piece])
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const payload = rest.subarray(9, 9 + rest.readUIntBE(0, 3))
        const [type, flags, stream] = [rest[3]!, rest[4]!, rest.readUInt32BE(5)]
        rest = rest.subarray(9 + payload.length)
        if (type === GOAWAY) seen.goaway = nameOf(payload.readUInt32BE(4))
        if (type === RST_STREAM) seen.reset[stream] = nameOf(payload.readUInt32BE(0))
        if (type === HEADERS) seen.answered.push(stream)
        if (type === SETTINGS && flags === ACK) seen.settingsAcks += 1
        if (type === PING && flags === ACK) {
          seen.pings += 1
          if (payload[0] === 255) resolve()
        }
      }
    })
    socket.on('close', () => resolve())
    socket.on('secureConnect', () => {
      socket.write(Buffer.concat([...preface, ...bytes]))
      // Behind what is answered by then.
      setImmediate(() => socket.write(frame(PING, 0, 0, Array<number>(8).fill(255))))
    })
  })
  socket.destroy()
  return seen
}

test('a request is answered, settings and pings are acknowledged, unknown frames and priorities are passed over', async () => {
  const unknown = frame(0x42, 0xff, 0, [1, 2, 3])
  const seen = await send([
    frame(PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
    unknown,
    frame(SETTINGS, 0, 0, setting(0x99, 1)),
    frame(PRIORITY, 0, 1, [0, 0, 0, 0, 15]),
    asked(),
  ])
  expect(seen).toMatchObject({ goaway: undefined, reset: {}, settingsAcks: 2 })
  expect(seen.pings).toBeGreaterThanOrEqual(1)
  await expect.poll(() => calls).toEqual(['GET /'])
})

describe('the connection ends, and nothing is called, when', () => {
  test.each<[string, Code[], Buffer[]]>([
    ['DATA is for no stream (§6.1)', ['PROTOCOL'], [frame(DATA, 0, 0, [1])]],
    ['DATA is for a stream that is idle (§5.1)', ['PROTOCOL', 'STREAM_CLOSED'], [frame(DATA, 0, 1, [1])]],
    [
      'padding is longer than its frame (§6.1)',
      ['PROTOCOL'],
      [asked(1, REQUEST, END_HEADERS), frame(DATA, PADDED, 1, [9, 1])],
    ],
    ['HEADERS are for no stream (§6.2)', ['PROTOCOL'], [asked(0)]],
    ['the number of a stream is even (§5.1.1)', ['PROTOCOL'], [asked(2)]],
    ['padding is longer than the head (§6.2)', ['PROTOCOL'], [frame(HEADERS, END_HEADERS | PADDED, 1, [99, GET])]],
    [
      'HEADERS are interrupted by another frame (§6.2)',
      ['PROTOCOL'],
      [asked(1, REQUEST, END_STREAM), frame(PING, 0, 0, Array<number>(8).fill(0))],
    ],
    ['HEADERS are interrupted by another stream (§6.10)', ['PROTOCOL'], [asked(1, REQUEST, END_STREAM), asked(3)]],
    ['CONTINUATION continues nothing (§6.10)', ['PROTOCOL'], [frame(CONTINUATION, END_HEADERS, 1, REQUEST)]],
    [
      'CONTINUATION is for no stream (§6.10)',
      ['PROTOCOL'],
      [asked(1, [GET], END_STREAM), frame(CONTINUATION, END_HEADERS, 0, [])],
    ],
    ['a field has the index 0 (RFC 7541 §6.1)', ['COMPRESSION'], [asked(1, [0x80])]],
    ['a field is not in the table (RFC 7541 §2.3.3)', ['COMPRESSION'], [asked(1, [0xfe])]],
    [
      'the table is to be larger than allowed (RFC 7541 §6.3)',
      ['COMPRESSION'],
      [asked(1, [0x3f, 0xe1, 0xff, 0x03, ...REQUEST])],
    ],
    [
      'a text has a length without end (RFC 7541 §5.1)',
      ['COMPRESSION'],
      [asked(1, [0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
    ],
    ['RST_STREAM is for no stream (§6.4)', ['PROTOCOL'], [frame(RST_STREAM, 0, 0, [0, 0, 0, 8])]],
    ['RST_STREAM is for a stream that is idle (§6.4)', ['PROTOCOL'], [frame(RST_STREAM, 0, 1, [0, 0, 0, 8])]],
    ['RST_STREAM has another length (§6.4)', ['FRAME_SIZE'], [frame(RST_STREAM, 0, 1, [0, 0, 8])]],
    ['SETTINGS are for a stream (§6.5)', ['PROTOCOL'], [frame(SETTINGS, 0, 1)]],
    ['SETTINGS are cut off (§6.5)', ['FRAME_SIZE'], [frame(SETTINGS, 0, 0, [0, 3, 0])]],
    ['an acknowledgement of SETTINGS says something (§6.5)', ['FRAME_SIZE'], [frame(SETTINGS, ACK, 0, setting(3, 1))]],
    ['push is neither on nor off (§6.5.2)', ['PROTOCOL'], [frame(SETTINGS, 0, 0, setting(2, 2))]],
    ['the first window is too large (§6.5.2)', ['FLOW_CONTROL'], [frame(SETTINGS, 0, 0, setting(4, 2 ** 31))]],
    ['frames are to be too small (§6.5.2)', ['PROTOCOL'], [frame(SETTINGS, 0, 0, setting(5, 100))]],
    ['frames are to be too large (§6.5.2)', ['PROTOCOL'], [frame(SETTINGS, 0, 0, setting(5, 2 ** 24))]],
    [
      'PUSH_PROMISE comes from a client (§8.4)',
      ['PROTOCOL'],
      [frame(PUSH_PROMISE, END_HEADERS, 1, [...u32(2), ...REQUEST])],
    ],
    ['PING is for a stream (§6.7)', ['PROTOCOL'], [frame(PING, 0, 1, Array<number>(8).fill(0))]],
    ['PING has another length (§6.7)', ['FRAME_SIZE'], [frame(PING, 0, 0, Array<number>(7).fill(0))]],
    ['GOAWAY is for a stream (§6.8)', ['PROTOCOL'], [frame(GOAWAY, 0, 1, Array<number>(8).fill(0))]],
    ['the window grows by nothing (§6.9)', ['PROTOCOL'], [frame(WINDOW_UPDATE, 0, 0, u32(0))]],
    ['the window grows too large (§6.9.1)', ['FLOW_CONTROL'], [frame(WINDOW_UPDATE, 0, 0, u32(2 ** 31 - 1))]],
    [
      'there is more than content-length says (§8.1.1)',
      ['INTERNAL', 'PROTOCOL'],
      [
        asked(1, [POST, HTTPS, ...PATH, ...AUTHORITY, ...literal('content-length', '1')], END_HEADERS),
        frame(DATA, END_STREAM, 1, [1, 2, 3]),
      ],
    ],
    [
      'the window of a stream grows by nothing (§6.9)',
      ['PROTOCOL'],
      [asked(1, [POST, HTTPS, ...PATH, ...AUTHORITY], END_HEADERS), frame(WINDOW_UPDATE, 0, 1, u32(0))],
    ],
    [
      'the window of a stream grows too large (§6.9.1)',
      ['FLOW_CONTROL'],
      [asked(1, [POST, HTTPS, ...PATH, ...AUTHORITY], END_HEADERS), frame(WINDOW_UPDATE, 0, 1, u32(2 ** 31 - 1))],
    ],
    ['WINDOW_UPDATE has another length (§6.9)', ['FRAME_SIZE'], [frame(WINDOW_UPDATE, 0, 0, [0, 0, 1])]],
    ['a frame is larger than allowed (§4.2)', ['FRAME_SIZE'], [frame(DATA, 0, 1, Array<number>(16_385).fill(0))]],
  ])('%s', async (_what, codes, bytes) => {
    const { goaway, answered } = await send(bytes)
    expect(codes).toContain(goaway)
    expect([answered, calls]).toEqual([[], []])
  })

  test.each([
    ['there is no preface', [Buffer.from('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')]],
    ['the preface is another one', [Buffer.from('PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n'), NO_SETTINGS]],
    ['something is between preface and SETTINGS', [PREFACE, asked()]],
  ])('%s (§3.4)', async (_what, preface) => {
    expect((await send([], preface)).answered).toEqual([])
    expect(calls).toEqual([])
  })
})

describe('a stream is refused, the connection goes on, and nothing is called, when', () => {
  const bad = (...fields: number[]) => asked(1, fields)
  test.each<[string, Buffer[]]>([
    ['the name of a field has capitals (§8.2.1)', [bad(...REQUEST, ...literal('X-Up', '1'))]],
    ['a field has a line break (§8.2.1)', [bad(...REQUEST, ...literal('x-a', 'b\r\nx: y'))]],
    ['a field has a NUL (§8.2.1)', [bad(...REQUEST, ...literal('x-a', 'b\0c'))]],
    ['the name of a field has a colon in it (§8.2.1)', [bad(...REQUEST, ...literal('x:a', 'b'))]],
    ['a field is of HTTP/1.1 alone: connection (§8.2.2)', [bad(...REQUEST, ...literal('connection', 'close'))]],
    [
      'a field is of HTTP/1.1 alone: transfer-encoding (§8.2.2)',
      [bad(...REQUEST, ...literal('transfer-encoding', 'chunked'))],
    ],
    ['te is not trailers (§8.2.2)', [bad(...REQUEST, ...literal('te', 'gzip'))]],
    ['a pseudo field is unknown (§8.3)', [bad(...REQUEST, ...literal(':x', '1'))]],
    ['a pseudo field is one of answers (§8.3)', [bad(...REQUEST, ...literal(':status', '200'))]],
    ['a pseudo field comes late (§8.3)', [bad(GET, HTTPS, ...PATH, ...literal('x-a', 'b'), ...AUTHORITY)]],
    ['there is no method (§8.3.1)', [bad(HTTPS, ...PATH, ...AUTHORITY)]],
    ['there is no scheme (§8.3.1)', [bad(GET, ...PATH, ...AUTHORITY)]],
    ['there is no path (§8.3.1)', [bad(GET, HTTPS, ...AUTHORITY)]],
    ['the path is empty (§8.3.1)', [bad(GET, HTTPS, ...literal(':path', ''), ...AUTHORITY)]],
    ['there are two methods (§8.3.1)', [bad(GET, POST, HTTPS, ...PATH, ...AUTHORITY)]],
    ['there are two paths (§8.3.1)', [bad(GET, HTTPS, PATH_ROOT, ...PATH, ...AUTHORITY)]],
    ['the path is no path', [bad(GET, HTTPS, ...literal(':path', '/a b'), ...AUTHORITY)]],
    [
      'there is less than content-length says (§8.1.1)',
      [
        asked(1, [POST, HTTPS, ...PATH, ...AUTHORITY, ...literal('content-length', '9')], END_HEADERS),
        frame(DATA, END_STREAM, 1, [1]),
      ],
    ],
  ])('%s', async (_what, bytes) => {
    const { goaway, reset, answered } = await send([...bytes, asked(3)])
    expect(goaway).toBeUndefined()
    // Reset, or answered with 400 by what would have written it as HTTP/1.1.
    expect([...Object.keys(reset).map(Number), ...answered]).toContain(1)
    await expect.poll(() => calls).toEqual(['GET /'])
  })
})

describe('a client that floods loses its connection, with', () => {
  const many = (count: number, each: Buffer) => Array<Buffer>(count).fill(each)
  test.each<[string, Buffer[]]>([
    ['SETTINGS (CVE-2019-9515)', many(20_000, frame(SETTINGS, 0, 0, setting(3, 100)))],
    [
      'CONTINUATION without end (CVE-2024-27316)',
      [asked(1, [GET], 0), ...many(2_000, frame(CONTINUATION, 0, 1, literal('x-a', 'x'.repeat(100))))],
    ],
    [
      'frames of nothing (CVE-2019-9518)',
      [asked(1, [POST, HTTPS, ...PATH, ...AUTHORITY], END_HEADERS), ...many(20_000, frame(DATA, 0, 1))],
    ],
    [
      'streams that it resets (CVE-2023-44487)',
      Array.from({ length: 5_000 }, (_, n) =>
        Buffer.concat([asked(2 * n + 1), frame(RST_STREAM, 0, 2 * n + 1, [0, 0, 0, 8])]),
      ),
    ],
  ])('%s', async (_what, bytes) => {
    const seen = await send(bytes)
    expect(seen.pings).toBe(0)
    expect((await send([asked()])).goaway).toBeUndefined()
  })
})
