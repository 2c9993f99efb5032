/** The agent's side of `control-server.ts`: a reader of routes in another process. */
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import type { RouteReader } from './route-channel.ts'
import { StaleTableError } from './route-keeper.ts'
import type { RouteTableInput } from './route.ts'

/** A part of an earlier release does not say its pid. */
const Health = z.object({ status: z.literal('ok'), generation: z.int(), pid: z.int().positive().optional() })
const Stale = z.object({ generation: z.int() })

export interface ControlClientOptions {
  /** Name of the part, for messages. */
  name: string
  controlPath: string
  timeoutMs?: number
}

/** The process cannot be reached, or gave an unexpected answer. */
export class ControlError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ControlError'
  }
}

export class ControlClient implements RouteReader {
  readonly #name: string
  readonly #controlPath: string
  readonly #timeoutMs: number

  constructor({ name, controlPath, timeoutMs = 5_000 }: ControlClientOptions) {
    this.#name = name
    this.#controlPath = controlPath
    this.#timeoutMs = timeoutMs
  }

  /** @throws StaleTableError with the generation that is served; ControlError */
  async setRoutes(table: RouteTableInput): Promise<void> {
    const { status, body } = await this.#request('PUT', '/routes', JSON.stringify(table))
    if (status === 409) throw new StaleTableError(Stale.parse(body).generation)
    if (status !== 204) {
      throw new ControlError(`the ${this.#name} refused the routes: ${status} ${JSON.stringify(body)}`)
    }
  }

  /** @throws ControlError */
  async health(): Promise<z.infer<typeof Health>> {
    return this.ask('/healthz', Health)
  }

  /** @throws ControlError */
  async ask<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const { status, body } = await this.#request('GET', path)
    const parsed = schema.safeParse(body)
    if (status !== 200 || !parsed.success) throw new ControlError(`the ${this.#name} answered ${status} to ${path}`)
    return parsed.data
  }

  async #request(method: string, path: string, payload = ''): Promise<{ status: number; body: unknown }> {
    try {
      const request = http.request({
        socketPath: this.#controlPath,
        method,
        path,
        agent: false,
        signal: AbortSignal.timeout(this.#timeoutMs),
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
      })
      // A failure after the response head also fails the body.
      request.on('error', () => undefined).end(payload)
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const answer = await text(response)
      return { status: response.statusCode!, body: answer === '' ? undefined : JSON.parse(answer) }
    } catch (error) {
      const { message } = error as Error
      throw new ControlError(`no answer from the ${this.#name} at ${this.#controlPath}: ${message}`, error)
    }
  }
}
