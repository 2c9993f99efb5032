/** A caller of asynchronous functions, like any program: HTTP only. */
import type { CallView } from '../../src/contract/index.ts'
import { until } from '../support/until.ts'

const FINAL: readonly string[] = ['succeeded', 'failed', 'dead', 'cancelled']

export class AsyncClient {
  readonly #proxyUrl: string

  constructor(proxyUrl: string) {
    this.#proxyUrl = proxyUrl
  }

  /** POST to `/functions/<path>` by default. */
  send(path: string, { prefix = 'functions', ...init }: RequestInit & { prefix?: string } = {}): Promise<Response> {
    return fetch(`${this.#proxyUrl}/${prefix}/${path}`, { method: 'POST', ...init })
  }

  /** @throws unless the call is accepted. @returns its id. */
  async queue(path: string, init: RequestInit & { prefix?: string } = {}): Promise<string> {
    const response = await this.send(path, init)
    const text = await response.text()
    if (response.status !== 202) throw new Error(`${path} was answered with ${response.status} ${text}`)
    return (JSON.parse(text) as { callId: string }).callId
  }

  async show(callId: string): Promise<CallView> {
    const response = await fetch(`${this.#proxyUrl}/calls/${callId}`)
    if (!response.ok) throw new Error(`${callId}: ${response.status} ${await response.text()}`)
    return (await response.json()) as CallView
  }

  /** Lists need the operator's token. */
  async list(name: string, token: string): Promise<CallView[]> {
    const response = await fetch(`${this.#proxyUrl}/calls?function=${name}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    return ((await response.json()) as { calls: CallView[] }).calls
  }

  untilStatus(callId: string, statuses: readonly string[]): Promise<CallView> {
    return until(async () => {
      const call = await this.show(callId)
      return statuses.includes(call.status) ? call : undefined
    })
  }

  untilOver(callId: string): Promise<CallView> {
    return this.untilStatus(callId, FINAL)
  }

  /** The function's response. */
  result(callId: string): Promise<Response> {
    return fetch(`${this.#proxyUrl}/calls/${callId}/result`)
  }
}
