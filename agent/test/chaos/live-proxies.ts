/** Which of several proxies live, as a load balancer in front of them finds out: it asks each for `/readyz`. */
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

const ASK_EVERY_MS = 200
const ANSWER_MS = 1_000

export class LiveProxies {
  readonly #urls: readonly string[]
  readonly #live = new Set<string>()
  readonly #agent = new Agent({ connections: 1, headersTimeout: ANSWER_MS, connect: { timeout: ANSWER_MS } })
  readonly #abort = new AbortController()
  readonly #asking: Promise<unknown>
  #turn = 0

  constructor(urls: readonly string[]) {
    this.#urls = urls
    this.#asking = Promise.all(urls.map(url => this.#ask(url)))
  }

  get all(): string[] {
    return this.#urls.filter(url => this.#live.has(url))
  }

  /** One after the other; one that does not live if none does. */
  next(): string {
    const live = this.all
    const from = live.length > 0 ? live : this.#urls
    return from[this.#turn++ % from.length]!
  }

  /** It took no connection, or broke one: it is asked before it is used again. */
  failed(url: string): void {
    this.#live.delete(url)
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#asking
    await this.#agent.destroy()
  }

  async #ask(url: string): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        const { statusCode, body } = await request(`${url}/readyz`, { dispatcher: this.#agent })
        await body.dump()
        if (statusCode === 200) this.#live.add(url)
        else this.#live.delete(url)
      } catch {
        this.#live.delete(url)
      }
      await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
