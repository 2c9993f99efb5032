/** The proxy's calls API. */
import { z } from 'zod'
import { EVENTS_PATH, HEADERS } from '@ryo-faas/runtime/protocol'
import { CallPage, CallView, RyoFaasError } from '../contract/index.ts'
import type { AgentClient } from './agent-client.ts'
import { type Door, ListenerClient, type ListenerRequest, type Pace } from './listener-client.ts'
import { PlatformErrorSchema } from './platform-error.ts'
import { serverSentEvents } from './server-sent-events.ts'

export class CallsClient {
  readonly #proxy: ListenerClient
  readonly #signal: AbortSignal

  /** @param signal cancels all requests of this client */
  constructor(proxy: Door, signal: AbortSignal) {
    this.#proxy = new ListenerClient({
      ...proxy,
      name: 'the proxy',
      unreachable: (message, cause) => new RyoFaasError('NOT_RUNNING', message, { cause }),
    })
    this.#signal = signal
  }

  static async of(agent: AgentClient, signal: AbortSignal): Promise<CallsClient> {
    return new CallsClient(await agent.door('proxy'), signal)
  }

  async list(filter: { function?: string; status?: string; limit: number; cursor?: string }) {
    const query = new URLSearchParams()
    for (const [key, value] of Object.entries(filter)) if (value !== undefined) query.set(key, String(value))
    return CallPage.parse(await this.#json('GET', `/calls?${query.toString()}`))
  }

  /** All pages; one may hold fewer calls than asked for, or none. */
  async *pages(filter: { function?: string; status?: string; limit: number }): AsyncGenerator<CallView[]> {
    for (let cursor: string | undefined; ;) {
      const page = await this.list({ ...filter, ...(cursor !== undefined && { cursor }) })
      yield page.calls
      cursor = page.cursor
      if (cursor === undefined) return
    }
  }

  async show(id: string): Promise<CallView> {
    return CallView.parse(await this.#json('GET', `/calls/${encodeURIComponent(id)}`))
  }

  async cancel(id: string): Promise<CallView> {
    return CallView.parse(await this.#json('DELETE', `/calls/${encodeURIComponent(id)}`))
  }

  async redrive(id: string): Promise<CallView> {
    return CallView.parse(await this.#json('POST', `/calls/${encodeURIComponent(id)}/redrive`))
  }

  /** All dead calls, or those of one function. Returns how many. */
  async redriveDead(name?: string): Promise<number> {
    const query = name === undefined ? '' : `?function=${encodeURIComponent(name)}`
    return z.object({ redriven: z.int() }).parse(await this.#json('POST', `/calls/redrive${query}`, 'long')).redriven
  }

  /** @param events one CloudEvent in the JSON format, or a list of them, as the media type says */
  async publish(events: unknown, mediaType: string): Promise<{ accepted: number; duplicates: number }> {
    const request = { body: JSON.stringify(events), headers: { 'content-type': mediaType } }
    const response = await this.#send('POST', EVENTS_PATH, { pace: 'long', ...request })
    return z.object({ accepted: z.int(), duplicates: z.int() }).parse(await response.json())
  }

  /** Yields the call whenever it changes, until it is final. */
  async *follow(id: string): AsyncGenerator<CallView> {
    const response = await this.#send('GET', `/calls/${encodeURIComponent(id)}/events`, { pace: 'stream' })
    for await (const data of serverSentEvents(response)) yield CallView.parse(data)
  }

  /** Yields something for every change of any call. */
  async changes(): Promise<AsyncGenerator<unknown>> {
    return serverSentEvents(await this.#send('GET', '/calls/events', { pace: 'stream' }))
  }

  /** The function's own response. */
  result(id: string): Promise<Response> {
    return this.#send('GET', `/calls/${encodeURIComponent(id)}/result`)
  }

  async #json(method: string, path: string, pace?: Pace): Promise<unknown> {
    return (await this.#send(method, path, pace && { pace })).json()
  }

  async #send(method: string, path: string, request: Omit<ListenerRequest, 'signal'> = {}): Promise<Response> {
    const response = await this.#proxy.send(method, path, { signal: this.#signal, ...request })
    const code = response.headers.get(HEADERS.error)
    if (response.ok || code === null) return response
    const parsed = PlatformErrorSchema.safeParse(await response.json().catch(() => undefined))
    throw new RyoFaasError(
      'INVALID_REQUEST',
      `${code}: ${parsed.success ? parsed.data.error.message : response.status}`,
    )
  }
}
