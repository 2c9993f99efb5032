/** What the tests of HTTP/2 share: a server of connections without TLS, and a client that writes frames by hand. */
import net, { type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { IdSource } from '@ryo-faas/runtime/telemetry'
import type { ClientRequest, ClientResponse } from '../http/client.ts'
import { untilTrue } from '../../../../test/support/until.ts'
import { Http2Connection } from './connection.ts'
import { CODE, FLAG, FRAME, PREFACE } from './frames.ts'

/** The flat list of a request's fields, in order. */
export type FieldList = readonly (readonly [name: string, value: string])[]
export const GET: FieldList = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.test'],
  [':path', '/'],
]
export const POST: FieldList = [[':method', 'POST'], ...GET.slice(1)]

const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]

/** RFC 9113 §4.1. */
export function frameOf(type: number, flags: number, stream: number, payload: Iterable<number> = []): Buffer {
  const bytes = Buffer.from([...payload])
  const { length } = bytes
  const head = [length >> 16, (length >> 8) & 255, length & 255, type, flags, ...u32(stream)]
  return Buffer.concat([Buffer.from(head), bytes])
}

/** Literals that stay out of the table, without Huffman's code (RFC 7541 §6.2.2). */
export function blockOf(fields: FieldList): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

export function headersOf(stream: number, fields: FieldList, { isLast = true } = {}): Buffer {
  return frameOf(FRAME.headers, FLAG.endHeaders | (isLast ? FLAG.endStream : 0), stream, blockOf(fields))
}

export function dataOf(stream: number, bytes: Buffer | string, { isLast = false } = {}): Buffer {
  return frameOf(FRAME.data, isLast ? FLAG.endStream : 0, stream, Buffer.from(bytes))
}

export function windowOf(stream: number, increment: number): Buffer {
  return frameOf(FRAME.windowUpdate, 0, stream, u32(increment))
}

export function settingOf(id: number, value: number): Buffer {
  return frameOf(FRAME.settings, 0, 0, [0, id, ...u32(value)])
}

export interface Served {
  request: ClientRequest
  response: ClientResponse
}

export class Http2Stage {
  readonly server: net.Server
  readonly served: Served[] = []
  readonly connections: Http2Connection[] = []
  readonly #sockets = new Set<Socket>()
  readonly #serve: (served: Served) => void

  /** @param serve in addition to being remembered */
  constructor(serve: (served: Served) => void = () => undefined) {
    this.#serve = serve
    this.server = net.createServer(socket => void this.take(socket))
  }

  take(socket: Socket): Http2Connection {
    this.#sockets.add(socket)
    const connection = new Http2Connection(socket, {
      serve: (request, response) => {
        this.served.push({ request, response })
        this.#serve({ request, response })
      },
      handOver: () => undefined,
      headers: [],
      ids: new IdSource(),
    })
    this.connections.push(connection)
    return connection
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve))
    return this
  }

  async client(settings: Buffer = frameOf(FRAME.settings, 0, 0)): Promise<FrameClient> {
    const client = new FrameClient(net.connect(this.port, '127.0.0.1'))
    this.#sockets.add(client.socket)
    client.send(Buffer.from(PREFACE), settings)
    await client.ping()
    return client
  }

  end(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.server.close()
  }
}

export interface SeenFrame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

export class FrameClient {
  readonly socket: Socket
  readonly frames: SeenFrame[] = []
  isClosed = false
  #rest = Buffer.alloc(0)
  #pings = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('close', () => (this.isClosed = true))
    socket.on('data', (piece: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, piece])
      while (this.#rest.length >= 9 && this.#rest.length >= 9 + this.#rest.readUIntBE(0, 3)) {
        const end = 9 + this.#rest.readUIntBE(0, 3)
        const [type, flags, stream] = [this.#rest[3]!, this.#rest[4]!, this.#rest.readUInt32BE(5)]
        this.frames.push({ type, flags, stream, payload: this.#rest.subarray(9, end) })
        this.#rest = this.#rest.subarray(end)
      }
    })
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Until all that was sent before has been read, and its answers are here; or the connection has ended. */
  async ping(): Promise<void> {
    const mark = 1 + this.#pings++
    this.send(frameOf(FRAME.ping, 0, 0, [0, 0, 0, 0, ...u32(mark)]))
    const isMine = ({ type, flags, payload }: SeenFrame) =>
      type === FRAME.ping && flags === FLAG.ack && payload.readUInt32BE(4) === mark
    await untilTrue(() => this.isClosed || this.frames.some(isMine), 'the answer of a ping')
  }

  of(type: number, stream?: number): SeenFrame[] {
    return this.frames.filter(frame => frame.type === type && (stream === undefined || frame.stream === stream))
  }

  /** Of all DATA frames of a stream. */
  body(stream: number): Buffer {
    return Buffer.concat(this.of(FRAME.data, stream).map(({ payload }) => payload))
  }

  hasEnded(stream: number): boolean {
    const isLast = ({ type, flags }: SeenFrame) =>
      (type === FRAME.data || type === FRAME.headers) && (flags & FLAG.endStream) !== 0
    return this.frames.some(frame => frame.stream === stream && isLast(frame))
  }

  /** Name of the code with which a stream was reset. */
  resetOf(stream: number): string | undefined {
    return nameOf(this.of(FRAME.rstStream, stream)[0]?.payload.readUInt32BE(0))
  }

  /** Name of the code with which the connection was ended. */
  get goaway(): string | undefined {
    return nameOf(this.of(FRAME.goaway).at(-1)?.payload.readUInt32BE(4))
  }
}

function nameOf(code: number | undefined): string | undefined {
  return code === undefined ? undefined : (Object.entries(CODE).find(([, value]) => value === code)?.[0] ?? 'other')
}

/** The one of the test that runs. */
export let stage: Http2Stage

/** Begins it; it ends with the test. */
export async function begin(serve?: (served: Served) => void): Promise<Http2Stage> {
  const begun = await new Http2Stage(serve).start()
  onTestFinished(() => begun.end())
  return (stage = begun)
}

export const hello = ({ response }: Served) => response.writeHead(200).end('hello')
