/**
 * Talks to the agent, typed by the contract. Errors of the agent come back as the `RyoFaasError` they were; an agent
 * that does not respond, or another program in its place, is NOT_RUNNING.
 */
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { ReadableStream } from 'node:stream/web'
import { z } from 'zod'
import { API, ErrorBody, RyoFaasError, type Api, type ApiName, type ApiRoute } from '../contract/index.ts'
import { readAgentFile } from './home.ts'
import { ListenerClient, type Door, type ListenerRequest } from './listener-client.ts'
import { USER_AGENT } from './user-agent.ts'

type Part<Name extends ApiName, Key extends 'params' | 'query' | 'body'> =
  Api[Name] extends Record<Key, infer Schema>
    ? Schema extends z.ZodType
      ? { [K in Key]: z.input<Schema> }
      : unknown
    : unknown

export type ApiInput<Name extends ApiName> = Part<Name, 'params'> & Part<Name, 'query'> & Part<Name, 'body'>
export type ApiOutput<Name extends ApiName> = z.output<Api[Name]['response']>
export type StreamName = { [Name in ApiName]: Api[Name] extends { stream: true } ? Name : never }[ApiName]
export type UploadName = { [Name in ApiName]: Api[Name] extends { takesBytes: true } ? Name : never }[ApiName]
export type DownloadName = { [Name in ApiName]: Api[Name] extends { givesBytes: true } ? Name : never }[ApiName]
export type CallName = Exclude<ApiName, StreamName | UploadName | DownloadName>

interface AnyInput {
  params?: Record<string, unknown>
  query?: Record<string, string | number | boolean | undefined>
  body?: unknown
}

export interface AgentAddress extends Door {
  /** Name of the server that it is on; absent: this machine. */
  server?: string
  /** Cancels all requests of the client. */
  signal?: AbortSignal | undefined
  /** How long the agent may be silent where it has to respond at once. */
  patienceMs?: number
  /** Hears what a request waits for, once for each. */
  onWaiting?: ((what: string) => void) | undefined
  /** How long it is asked again while no agent leads, or the agent is being started again. */
  followMs?: number
  /** @returns where an agent that takes no connection is found next; undefined if nobody brings it back */
  comesBack?: () => Promise<Pick<Door, 'url' | 'token'> | undefined>
}

/**
 * An agent that dies is followed after some five seconds, and the next one takes a few more to begin. One that nobody stands by
 * for is started again within a second or two.
 */
const FOLLOW_MS = 20_000
const ASK_AGAIN_MS = 250

export class AgentClient {
  readonly token: string
  readonly #address: AgentAddress
  #agent: ListenerClient
  readonly #signal: AbortSignal | undefined

  constructor(address: AgentAddress) {
    this.token = address.token
    this.#address = address
    this.#signal = address.signal
    this.#agent = listenerOf(address)
  }

  /**
   * @param isKept whether an agent of this home that is away is being started again: then it is waited for
   * @throws RyoFaasError NOT_RUNNING if no platform was started in this home
   */
  static async connect(
    home: string,
    {
      isKept,
      ...use
    }: Pick<AgentAddress, 'signal' | 'onWaiting'> & { isKept?: (() => Promise<boolean>) | undefined } = {},
  ): Promise<AgentClient> {
    const find = async () => {
      const found = await readAgentFile(home)
      return found && { url: found.agent.url, token: found.token }
    }
    const found = await find()
    if (!found) throw notRunning(`ryo-faas is not running in ${home}`)
    const comesBack = isKept && (async () => ((await isKept()) ? find() : undefined))
    return new AgentClient({ ...found, ...use, ...(comesBack !== undefined && { comesBack }) })
  }

  /** How to reach a part of a server: the agent there relays. Undefined on this machine, where parts are asked themselves. */
  relay(part: 'proxy' | 'store'): Door | undefined {
    const { server, url, token, socketPath, ca } = this.#address
    if (server === undefined) return undefined
    return {
      url: `${url}/v1/via/${part}`,
      token,
      ...placeOf(server),
      ...(socketPath !== undefined && { socketPath }),
      ...(ca !== undefined && { ca }),
    }
  }

  /** How to reach another part as this one is reached. */
  async door(part: 'proxy' | 'store'): Promise<Door> {
    const { token } = this
    const relayed = this.relay(part)
    if (relayed !== undefined) return relayed
    const { proxyUrl, parts, cluster } = await this.call('platform', {})
    // The parts are on the machine of the agent that leads.
    if (cluster?.role === 'stands-by') return { url: `${this.#address.url}/v1/via/${part}`, token }
    if (part === 'proxy') return { url: proxyUrl, token }
    const address = parts.find(({ name }) => name === 'store')?.address
    if (address !== undefined) return { url: `http://${address}`, token }
    throw new RyoFaasError('STORE_UNAVAILABLE', 'the store is not running', {
      hint: 'ryo-faas details shows the state of the parts.',
    })
  }

  async call<Name extends CallName>(
    name: Name,
    input: ApiInput<Name>,
    signal = this.#signal,
  ): Promise<ApiOutput<Name>> {
    const response = await this.#send(API[name], input as AnyInput, signal)
    const answer: unknown = await response.json().catch((error: unknown) => {
      if (signal?.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
      throw error instanceof SyntaxError ? error : brokenOff(error)
    })
    return API[name].response.parse(answer) as ApiOutput<Name>
  }

  /** @param body a tar, gzipped */
  async upload<Name extends UploadName>(name: Name, body: Readable, signal = this.#signal): Promise<ApiOutput<Name>> {
    const headers = { 'content-type': 'application/x-tar', 'content-encoding': 'gzip' }
    const response = await this.#exchange(API[name], API[name].path, { headers, body, signal })
    return API[name].response.parse(await response.json()) as ApiOutput<Name>
  }

  /** A file, to be read to its end; one that is broken off fails. */
  async download<Name extends DownloadName>(name: Name, signal = this.#signal): Promise<Readable> {
    const { body } = await this.#exchange(API[name], API[name].path, { signal })
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* body as ReadableStream<Uint8Array>
      } catch (error) {
        throw signal?.aborted ? new RyoFaasError('CANCELLED', 'cancelled', { cause: error }) : brokenOff(error)
      }
    }
    return Readable.from(chunks(), { objectMode: false })
  }

  /**
   * Yields each line as it comes, except events of types that only a newer agent knows. Ends with the stream, or when
   * `signal` aborts (which the agent notices).
   */
  async *stream<Name extends StreamName>(
    name: Name,
    input: ApiInput<Name>,
    signal = this.#signal,
  ): AsyncGenerator<ApiOutput<Name>> {
    const response = await this.#send(API[name], input as AnyInput, signal)
    const decoder = new TextDecoder()
    let rest = ''
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          if (line === '') continue
          const parsed = API[name].response.safeParse(JSON.parse(line))
          if (parsed.success) yield parsed.data as ApiOutput<Name>
          else if (!isOfUnknownType(parsed.error)) throw parsed.error
        }
      }
    } catch (error) {
      if (signal?.aborted) return
      throw error instanceof SyntaxError || error instanceof z.ZodError ? error : brokenOff(error)
    }
  }

  async #send(route: ApiRoute, input: AnyInput, signal: AbortSignal | undefined): Promise<Response> {
    const path = route.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(input.params?.[key])))
    const query = new URLSearchParams()
    for (const [key, value] of Object.entries(input.query ?? {})) if (value !== undefined) query.set(key, String(value))
    const search = query.size > 0 ? `?${query.toString()}` : ''
    return this.#exchange(route, `${path}${search}`, {
      ...(input.body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(input.body),
      }),
      signal,
    })
  }

  /** While there is nobody to do it, it is asked again: nothing was done. What was begun, and then lost, is not. */
  async #exchange(route: ApiRoute, target: string, request: ListenerRequest): Promise<Response> {
    const { onWaiting, followMs = FOLLOW_MS } = this.#address
    const deadline = performance.now() + followMs
    const told = new Set<string>()
    for (;;) {
      try {
        return await this.#ask(route, target, request)
      } catch (error) {
        // A body that was read is gone.
        const isOver = request.body instanceof Readable || performance.now() > deadline
        const wait = isOver ? undefined : await this.#waitFor(error)
        if (wait === undefined) throw error
        if (!told.has(wait)) onWaiting?.(wait)
        told.add(wait)
        await delay(ASK_AGAIN_MS, undefined, { signal: request.signal }).catch((cause: unknown) => {
          throw new RyoFaasError('CANCELLED', 'cancelled', { cause })
        })
      }
    }
  }

  /** @returns what a request that failed for this waits for; undefined if it may have been begun, or there is nothing */
  async #waitFor(error: unknown): Promise<string | undefined> {
    if (!(error instanceof RyoFaasError)) return undefined
    if (error.code === 'NOT_LEADING') return 'waiting for another agent to lead the platform'
    const { comesBack } = this.#address
    if (error.code !== 'NOT_RUNNING' || comesBack === undefined) return undefined
    // The agent itself says so, which is just starting.
    if (error.cause === undefined) return `waiting: ${error.message}`
    const isRefused = (error.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    const next = isRefused ? await comesBack() : undefined
    if (next === undefined) return undefined
    this.#agent = listenerOf({ ...this.#address, ...next })
    return 'waiting for the agent, which is being started again'
  }

  async #ask(route: ApiRoute, target: string, request: ListenerRequest): Promise<Response> {
    const response = await this.#agent.send(route.method, target, {
      ...request,
      headers: { 'user-agent': USER_AGENT, ...request.headers },
      pace: route.stream ? 'stream' : route.isLong ? 'long' : 'prompt',
    })
    if (response.ok) return response
    const text = await response.text()
    const parsed = ErrorBody.safeParse((parseJson(text) as { error?: unknown } | undefined)?.error)
    if (parsed.success) throw RyoFaasError.fromBody(parsed.data)
    throw new RyoFaasError('INTERNAL', `the agent returned ${response.status}: ${text.slice(0, 200)}`)
  }
}

function listenerOf(address: AgentAddress): ListenerClient {
  const { server } = address
  const unreachable = server === undefined ? notRunning : notRunningOn(server)
  return new ListenerClient({ ...address, ...placeOf(server), name: 'the agent', unreachable })
}

function placeOf(server: string | undefined): { place?: string } {
  return server === undefined ? {} : { place: `on the server "${server}"` }
}

function notRunning(message: string, cause?: unknown): RyoFaasError {
  return new RyoFaasError('NOT_RUNNING', message, { hint: 'Start it with: ryo-faas startFaas', cause })
}

function notRunningOn(server: string) {
  return (message: string, cause: unknown) =>
    new RyoFaasError(
      'NOT_RUNNING',
      message.includes(`"${server}"`) ? message : `on the server "${server}", ${message}`,
      {
        hint: server.includes('://')
          ? 'Does the platform run there, does the address lead to its agent, and is the token one of its own?'
          : `ryo-faas server doctor ${server} says what is wrong.`,
        cause,
      },
    )
}

function brokenOff(cause: unknown): RyoFaasError {
  return notRunning('the agent disconnected in the middle of its response', cause)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Not from the agent: reported as text.
  }
}

function isOfUnknownType({ issues }: z.ZodError): boolean {
  return issues.length === 1 && issues[0]!.code === 'invalid_union' && issues[0]!.path.join() === 'type'
}
