/** What the dispatcher's tests share: a real nats-server, an HTTP server in place of the proxy, dispatchers, calls. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { TEST_KEYS } from '../../access/access-testing.ts'
import { answerProof, type CallView } from '../../contract/index.ts'
import {
  CallIdSource,
  DEPTH_HEADER,
  ensureStreams,
  EVENT_HEADERS,
  eventSubject,
  publishedSubject,
  streamState,
  subjectOf,
  type Bus,
} from '../../bus/index.ts'
import { encodeEnvelope, getCall, INLINE_BODY_BYTES, isFinal, putBody, type CallHead } from '../../calls/index.ts'
import type { CloudEvent, DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { writeDurably } from '../../host/index.ts'
import { startNats, type TestNats } from '../../bus/testing/nats-server.ts'
import { untilTrue } from '../../../test/support/until.ts'
import { DispatcherControl } from './dispatcher-control.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import type { DispatcherEvent } from './events.ts'
import type { DispatcherInput } from './options.ts'
import { SYSTEM_CLOCK } from './triggers/index.ts'
import type { SourceDependencies, TriggerSources } from './triggers/source.ts'
import { PushChannel, RouteTable, type RouteTableInput, type TableClock } from '../../routes/index.ts'

export const FUNCTIONS_KEY = TEST_KEYS.functions
export const TOKEN = TEST_KEYS.part
export const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`

type FunctionInput = {
  route?: string
  timeoutMs?: number
  async?: RouteTableInput['routes'][0]['policy']
  triggers?: RouteTableInput['routes'][0]['triggers']
}
export type DispatcherOverrides = Partial<Omit<DispatcherInput, 'callback'>> & {
  callback?: Partial<DispatcherInput['callback']>
}

export interface Received {
  method: string
  url: string
  headers: http.IncomingHttpHeaders
  rawHeaders: string[]
  body: Buffer
  callId: string
  attempt: number
  /** Time of arrival. */
  at: number
}

export interface TestServer {
  url: string
  port: number
  received: Received[]
  /** Closes it as if it were killed. */
  stop(): Promise<void>
  /** Opens it again on the same port. */
  start(): Promise<void>
}

type Respond = (request: Received, response: ServerResponse, incoming: IncomingMessage) => void

export class Stage {
  readonly nats: TestNats
  readonly bus: Bus
  readonly folder: string
  readonly events: DispatcherEvent[] = []
  private readonly ids = new CallIdSource()
  private nextSequence = 1
  private table: RouteTable | undefined
  /** Of tests, which schedules follow from the next `deploy` on. */
  clock: TableClock | undefined
  private readonly controls: DispatcherControl[] = []
  private readonly closers: (() => Promise<unknown> | void)[] = []

  private constructor(nats: TestNats, bus: Bus, folder: string) {
    this.nats = nats
    this.bus = bus
    this.folder = folder
  }

  static async open(): Promise<Stage> {
    const nats = await startNats()
    const bus = await nats.connect()
    await ensureStreams(bus)
    const stage = new Stage(nats, bus, await mkdtemp(join(tmpdir(), 'dispatcher-')))
    stage.onEnd(() => rm(stage.folder, { recursive: true, force: true }))
    stage.onEnd(() => nats.stop())
    return stage
  }

  async end(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close()
  }

  onEnd(close: () => Promise<unknown> | void): void {
    this.closers.push(close)
  }

  /** An HTTP server in place of the proxy, with its proof, or of a callback receiver. */
  async server(
    respond: Respond = (_request, response) => response.end('done'),
    { isProxy = true } = {},
  ): Promise<TestServer> {
    const received: Received[] = []
    const listener: RequestListener = (incoming, response) => {
      const proof = answerProof(TEST_KEYS.operator, { url: incoming.url!, port: incoming.socket.localPort! })
      if (isProxy && proof !== undefined) return void response.end(proof)
      const pieces: Buffer[] = []
      incoming.on('data', (piece: Buffer) => pieces.push(piece))
      incoming.on('end', () => {
        const { method, url, headers, rawHeaders } = incoming
        const request: Received = {
          method: method!,
          url: url!,
          headers,
          rawHeaders,
          body: Buffer.concat(pieces),
          callId: String(headers['x-call-id']),
          attempt: Number(headers['x-call-attempt']),
          at: performance.now(),
        }
        received.push(request)
        respond(request, response, incoming)
      })
    }
    let server: http.Server
    const listen = async (port: number) => {
      server = http.createServer({ keepAliveTimeout: 60_000 }, listener)
      await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
      return (server.address() as AddressInfo).port
    }
    const stop = () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    const port = await listen(0)
    this.onEnd(stop)
    return { url: `http://127.0.0.1:${port}`, port, received, stop, start: async () => void (await listen(port)) }
  }

  /** Publishes what is deployed, to running dispatchers and those started later. */
  deploy(...functions: FunctionInput[]): Promise<void> {
    return this.deployWith({}, ...functions)
  }

  async deployWith(more: Partial<RouteTableInput>, ...functions: FunctionInput[]): Promise<void> {
    const routes = functions.map(({ route = 'fn', timeoutMs = 5_000, async: policy, triggers = [] }) => ({
      name: route,
      displayName: route.toUpperCase(),
      version: 1,
      timeoutMs,
      concurrency: 0,
      instances: [],
      policy: { backoffMs: 20, ...policy },
      triggers,
    }))
    const generation = (this.table?.generation ?? 0) + 1
    this.table = RouteTable.parse({ generation, routes, clock: this.clock, ...more })
    const channel = new PushChannel({ proxies: [], dispatchers: this.controls })
    this.onEnd(() => channel.close())
    await channel.publish(this.table)
  }

  /** What a source of triggers gets from its dispatcher. */
  get sourceDependencies(): SourceDependencies {
    return { bus: this.bus, options: { access: TEST_KEYS, eventDepthLimit: 16 }, clock: SYSTEM_CLOCK }
  }

  /** The agent's client for the dispatcher that was started last. */
  get control(): DispatcherControl {
    return this.controls.at(-1)!
  }

  /** For one dispatcher, which has the routes of the last `deploy` on disk. */
  async options(proxyUrl: string, { callback, ...overrides }: DispatcherOverrides = {}): Promise<DispatcherInput> {
    const { url, user, password } = this.nats
    const path = join(this.folder, `dispatcher-${this.controls.length}`)
    const [controlPath, routesFile] = [`${path}.sock`, `${path}-routes.json`]
    this.controls.push(new DispatcherControl({ name: 'dispatcher', controlPath }))
    if (this.table !== undefined) await writeDurably(routesFile, JSON.stringify(this.table))
    return {
      nats: { url, user, password },
      proxyUrl,
      access: TEST_KEYS,
      controlPath,
      routesFile,
      ackWaitMs: 400,
      drainMs: 100,
      unavailableBackoffMs: 20,
      callback: { secret: SECRET, allow: ['127.0.0.1'], backoffMs: 20, ...callback },
      ...overrides,
    }
  }

  async dispatcher(
    proxy: { url: string },
    overrides?: DispatcherOverrides,
    sources?: TriggerSources,
  ): Promise<Dispatcher> {
    const onEvent = (event: DispatcherEvent) => this.events.push(event)
    const dispatcher = await createDispatcher(await this.options(proxy.url, overrides), onEvent, sources)
    this.onEnd(() => dispatcher.close())
    return dispatcher
  }

  /** A dispatcher in its own process. */
  async process(proxy: { url: string }, overrides?: DispatcherOverrides): Promise<ChildProcess> {
    const file = join(this.folder, `options-${this.closers.length}.json`)
    await writeFile(file, JSON.stringify(await this.options(proxy.url, overrides)))
    return this.spawnMain(file)
  }

  spawnMain(file: string): ChildProcess {
    const main = join(inject('entries'), 'services/dispatcher/main.js')
    const child = spawn(process.execPath, [main, file], { stdio: ['ignore', 'ignore', 'pipe'] })
    const gone = new Promise(resolve => child.once('exit', resolve))
    this.onEnd(async () => {
      child.kill('SIGKILL')
      await gone
    })
    return child
  }

  /** Accepts a call, as the proxy does. @returns the id */
  async call(given: Partial<CallHead> & { route?: string; body?: Buffer | string } = {}): Promise<string> {
    const { route = 'fn', body: content = '', ...overrides } = given
    const callId = this.ids.next(route)
    const body = Buffer.from(content)
    const isLong = body.length > INLINE_BODY_BYTES
    const head: CallHead = {
      v: 1,
      method: 'POST',
      path: '/',
      headers: [['Host', 'localhost']],
      acceptedAt: new Date().toISOString(),
      requestId: 'r1',
      ...(isLong && { bodyRef: await putBody(this.bus, { kind: 'body', callId }, body) }),
      bodyBytes: body.length,
      ...overrides,
    }
    await this.bus.publish(subjectOf('call', callId), encodeEnvelope(head, isLong ? Buffer.alloc(0) : body), {
      messageId: callId,
    })
    return callId
  }

  /** Publishes an event, as the store's relay does. */
  async change(given: Partial<DocumentCloudEvent['data']> & Partial<ChangeInput> = {}): Promise<DocumentCloudEvent> {
    const { sequence = this.nextSequence, depth = 0, isElsewhere = false, baggage, ...data } = given
    this.nextSequence = sequence + 1
    const event = { ...changeEvent(sequence, { depth, data }), ...(baggage !== undefined && { baggage }) }
    await this.bus.publish(
      eventSubject(event.data),
      isElsewhere ? Buffer.alloc(0) : Buffer.from(JSON.stringify(event)),
      {
        messageId: event.id,
        headers: {
          [EVENT_HEADERS.sequence]: event.sequence,
          ...(isElsewhere && { [EVENT_HEADERS.isElsewhere]: '1' }),
        },
      },
    )
    return event
  }

  /** Publishes an event, as the proxy does. */
  async publish({ depth, ...given }: Partial<CloudEvent> & { depth?: number } = {}): Promise<CloudEvent> {
    const id = given.id ?? `e${this.nextSequence++}`
    const event: CloudEvent = { specversion: '1.0', source: '/shop', type: 'com.example.paid', ...given, id }
    const headers = depth === undefined ? {} : { [DEPTH_HEADER]: String(depth) }
    await this.bus.publish(publishedSubject(event.type), Buffer.from(JSON.stringify(event)), { headers })
    return event
  }

  async view(callId: string): Promise<CallView> {
    const call = await getCall(this.bus, callId)
    if (call === undefined) throw new Error(`there is no call ${callId}`)
    return call
  }

  /** Resolves with the call once it is final. */
  async final(callId: string): Promise<CallView> {
    let call: CallView | undefined
    await until(async () => isFinal((call = await this.view(callId)).status), `${callId} is final`)
    return call!
  }

  /** Whether a stream is empty. */
  async isEmpty(stream: string): Promise<boolean> {
    return (await streamState(this.bus, stream)).messages === 0
  }
}

interface ChangeInput {
  baggage: string
  sequence: number
  depth: number
  isElsewhere: boolean
}

function changeEvent(
  sequence: number,
  { depth, data }: { depth: number; data: Partial<DocumentCloudEvent['data']> },
): DocumentCloudEvent {
  const time = new Date().toISOString()
  const { kind = 'updated-doc', table = 'payments', id = 'p1', version = sequence } = data
  const document = { id, table, version, createdAt: time, editedAt: time, data: { sequence } }
  return {
    specversion: '1.0',
    id: String(sequence),
    source: '/ryo-faas/test/store',
    type: `ryo-faas.store.${kind}`,
    subject: `${encodeURIComponent(table)}/${encodeURIComponent(id)}`,
    time,
    datacontenttype: 'application/json',
    sequence: String(sequence),
    eventdepth: depth,
    data: { kind, table, id, version, before: document, after: document, ...data },
  }
}

/** Waits until `condition` holds. A bus that is away makes it wait on. */
export function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  return untilTrue(() => Promise.resolve(condition()).catch(() => false), what)
}
