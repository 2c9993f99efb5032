/** The agent's side of `control-server.ts`: a reader of routes in another process. */
import { once } from 'node:events'
import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import type { PatchReader, Served } from './route-channel.ts'
import { StaleTableError } from './route-keeper.ts'
import type { RoutePatchInput, RouteTableInput } from './route.ts'

/** A part of an earlier release does not say its pid. */
const Health = z.object({ status: z.literal('ok'), generation: z.int(), pid: z.int().positive().optional() })
const Stale = z.object({ generation: z.int() })

interface Answer {
  status: number
  body: unknown
}

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

export class ControlClient implements PatchReader {
  readonly name: string
  readonly #controlPath: string
  readonly #timeoutMs: number

  constructor({ name, controlPath, timeoutMs = 5_000 }: ControlClientOptions) {
    this.name = name
    this.#controlPath = controlPath
    this.#timeoutMs = timeoutMs
  }

  /** @throws StaleTableError with the generation that is served; ControlError */
  async setRoutes(table: RouteTableInput, onServed?: () => void): Promise<void> {
    this.#requireAccepted(await this.#request('PUT', '/routes', { payload: JSON.stringify(table), onServed }))
  }

  /** @throws StaleTableError with the generation that is served; ControlError */
  setRoute(patch: RoutePatchInput): Promise<Served> {
    return new Promise((resolve, reject) => {
      const settled = this.#request('PATCH', '/routes', {
        payload: JSON.stringify(patch),
        onServed: () => resolve({ settled }),
      }).then(answer => this.#requireAccepted(answer))
      settled.then(() => resolve({ settled }), reject)
    })
  }

  /** @throws ControlError */
  async health(): Promise<z.infer<typeof Health>> {
    return this.ask('/healthz', Health)
  }

  /** @throws ControlError */
  async ask<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const { status, body } = await this.#request('GET', path)
    const parsed = schema.safeParse(body)
    if (status !== 200 || !parsed.success) throw new ControlError(`the ${this.name} answered ${status} to ${path}`)
    return parsed.data
  }

  /** @throws ControlError */
  protected async post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    const { status, body: answer } = await this.#request('POST', path, { payload: JSON.stringify(body) })
    const parsed = schema.safeParse(answer)
    if (status !== 200 || !parsed.success) throw new ControlError(`the ${this.name} answered ${status} to ${path}`)
    return parsed.data
  }

  /**
   * The values of a stream, one a line, until the process ends it or `signal` aborts.
   * @throws ControlError if there is no stream, or it breaks off
   */
  protected async *follow<T>(
    path: string,
    { schema, signal, onOpen }: { schema: z.ZodType<T>; signal: AbortSignal; onOpen?: (() => void) | undefined },
  ): AsyncGenerator<T, void, undefined> {
    try {
      const request = this.#open({ method: 'GET', path, payload: '', signal })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      if (response.statusCode !== 200) {
        response.destroy()
        throw new ControlError(`the ${this.name} answered ${response.statusCode} to ${path}`)
      }
      onOpen?.()
      for await (const line of createInterface({ input: response })) yield schema.parse(JSON.parse(line))
      if (!response.complete) throw new Error('the stream broke off')
    } catch (error) {
      if (signal.aborted) return
      throw this.#failed(error)
    }
  }

  #requireAccepted({ status, body }: Answer): void {
    if (status === 409) throw new StaleTableError(Stale.parse(body).generation)
    if (status !== 204) {
      throw new ControlError(`the ${this.name} refused the routes: ${status} ${JSON.stringify(body)}`)
    }
  }

  async #request(
    method: string,
    path: string,
    { payload = '', onServed }: { payload?: string; onServed?: (() => void) | undefined } = {},
  ): Promise<Answer> {
    try {
      const request = this.#open({ method, path, payload, signal: AbortSignal.timeout(this.#timeoutMs) })
      if (onServed !== undefined) request.on('information', ({ statusCode }) => statusCode === 102 && onServed())
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const answer = await text(response)
      return { status: response.statusCode!, body: answer === '' ? undefined : JSON.parse(answer) }
    } catch (error) {
      throw this.#failed(error)
    }
  }

  #open({
    method,
    path,
    payload,
    signal,
  }: Record<'method' | 'path' | 'payload', string> & { signal: AbortSignal }): ClientRequest {
    const request = http.request({
      socketPath: this.#controlPath,
      method,
      path,
      agent: false,
      signal,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
    })
    // A failure after the response head also fails the body.
    request.on('error', () => undefined).end(payload)
    return request
  }

  #failed(error: unknown): ControlError {
    if (error instanceof ControlError) return error
    const { message } = error as Error
    return new ControlError(`no answer from the ${this.name} at ${this.#controlPath}: ${message}`, error)
  }
}
