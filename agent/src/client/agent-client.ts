/**
 * Talks to the agent, typed by the contract. Errors of the agent come back as the `RyoFaasError` they were; an agent
 * that does not answer is NOT_RUNNING.
 */
import type { z } from 'zod'
import { API, ErrorBody, RyoFaasError, type Api, type ApiName, type ApiRoute } from '../contract/index.ts'
import { readAgentFile } from './home.ts'

type Part<Name extends ApiName, Key extends 'params' | 'query' | 'body'> =
  Api[Name] extends Record<Key, infer Schema>
    ? Schema extends z.ZodType
      ? { [K in Key]: z.input<Schema> }
      : unknown
    : unknown

export type ApiInput<Name extends ApiName> = Part<Name, 'params'> & Part<Name, 'query'> & Part<Name, 'body'>
export type ApiOutput<Name extends ApiName> = z.output<Api[Name]['response']>
export type StreamName = { [Name in ApiName]: Api[Name] extends { stream: true } ? Name : never }[ApiName]
export type CallName = Exclude<ApiName, StreamName>

interface AnyInput {
  params?: Record<string, unknown>
  query?: Record<string, string | number | boolean | undefined>
  body?: unknown
}

export class AgentClient {
  /** The operator's. */
  readonly token: string
  readonly #url: string

  constructor(address: { url: string; token: string }) {
    this.#url = address.url
    this.token = address.token
  }

  /** @throws RyoFaasError NOT_RUNNING if no platform was started in this home. */
  static async connect(home: string): Promise<AgentClient> {
    const found = await readAgentFile(home)
    if (!found) throw notRunning(`no platform runs in ${home}`)
    return new AgentClient({ url: found.agent.url, token: found.token })
  }

  async call<Name extends CallName>(name: Name, input: ApiInput<Name>, signal?: AbortSignal): Promise<ApiOutput<Name>> {
    const response = await this.#send(API[name], input as AnyInput, signal)
    const answer: unknown = await response.json().catch((error: unknown) => {
      if (signal?.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
      throw error instanceof TypeError ? brokenOff(error) : error
    })
    return API[name].response.parse(answer) as ApiOutput<Name>
  }

  /** Yields each line as it comes, but events of types that only a newer agent knows; ends with the stream, or when `signal` aborts (which the agent notices). */
  async *stream<Name extends StreamName>(
    name: Name,
    input: ApiInput<Name>,
    signal?: AbortSignal,
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
      if (error instanceof TypeError) throw brokenOff(error)
      throw error
    }
  }

  async #send(route: ApiRoute, input: AnyInput, signal: AbortSignal | undefined): Promise<Response> {
    const path = route.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(input.params?.[key])))
    const query = new URLSearchParams()
    for (const [key, value] of Object.entries(input.query ?? {})) if (value !== undefined) query.set(key, String(value))
    const search = query.size > 0 ? `?${query.toString()}` : ''
    let response: Response
    try {
      response = await fetch(`${this.#url}${path}${search}`, {
        method: route.method,
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(input.body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(input.body !== undefined && { body: JSON.stringify(input.body) }),
        ...(signal && { signal }),
      })
    } catch (error) {
      if (signal?.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
      throw notRunning(`the agent at ${this.#url} does not answer`, error)
    }
    if (response.ok) return response
    const text = await response.text()
    const parsed = ErrorBody.safeParse((parseJson(text) as { error?: unknown } | undefined)?.error)
    if (parsed.success) throw RyoFaasError.fromBody(parsed.data)
    throw new RyoFaasError('INTERNAL', `the agent answered ${response.status}: ${text.slice(0, 200)}`)
  }
}

function notRunning(message: string, cause?: unknown): RyoFaasError {
  return new RyoFaasError('NOT_RUNNING', message, { hint: 'Start it with: ryo-faas startFaas', cause })
}

function brokenOff(cause: TypeError): RyoFaasError {
  return notRunning('the agent went away in the middle of its answer', cause)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Not an answer of the agent: reported with its text.
  }
}

function isOfUnknownType({ issues }: z.ZodError): boolean {
  return issues.length === 1 && issues[0]!.code === 'invalid_union' && issues[0]!.path.join() === 'type'
}
