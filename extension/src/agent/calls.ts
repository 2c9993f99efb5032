/** The proxy's calls API as the editor uses it. */
import { HEADERS } from '@ryo-faas/runtime/protocol'
import { serverSentEvents } from './server-sent-events.ts'

export interface Call {
  id: string
  function: string
  status: 'queued' | 'running' | 'succeeded' | 'failed' | 'dead' | 'cancelled'
  acceptedAt: string
  attempts: { number: number; outcome?: number | string }[]
  error?: { code: string; message: string }
}

export class Calls {
  readonly #proxyUrl: string

  constructor(proxyUrl: string) {
    this.#proxyUrl = proxyUrl
  }

  async list(status: Call['status'], signal?: AbortSignal): Promise<Call[]> {
    const answer = (await this.#json('GET', `/calls?status=${status}&limit=100`, signal)) as { calls: Call[] }
    return answer.calls
  }

  async cancel(id: string): Promise<void> {
    await this.#json('DELETE', `/calls/${encodeURIComponent(id)}`)
  }

  async redrive(id: string): Promise<void> {
    await this.#json('POST', `/calls/${encodeURIComponent(id)}/redrive`)
  }

  /** All dead ones. Answers how many. */
  async redriveAll(): Promise<number> {
    return ((await this.#json('POST', '/calls/redrive')) as { redriven: number }).redriven
  }

  /** The call whenever it changes, until it is final. */
  follow(id: string, signal: AbortSignal): AsyncGenerator<Call> {
    return this.#events(`/calls/${encodeURIComponent(id)}/events`, signal) as AsyncGenerator<Call>
  }

  /** Something for every change of any call. */
  changes(signal: AbortSignal): AsyncGenerator<unknown> {
    return this.#events('/calls/events', signal)
  }

  /** The function's own answer. */
  result(id: string, signal: AbortSignal): Promise<Response> {
    return fetch(`${this.#proxyUrl}/calls/${encodeURIComponent(id)}/result`, { signal })
  }

  async *#events(path: string, signal: AbortSignal): AsyncGenerator<unknown> {
    yield* serverSentEvents(await this.#send('GET', path, signal))
  }

  async #json(method: string, path: string, signal?: AbortSignal): Promise<unknown> {
    return (await this.#send(method, path, signal)).json()
  }

  async #send(method: string, path: string, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(this.#proxyUrl + path, { method, ...(signal && { signal }) })
    if (response.ok) return response
    const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined
    const code = response.headers.get(HEADERS.error) ?? String(response.status)
    throw new Error(`${code}: ${body?.error?.message ?? response.statusText}`)
  }
}
