/** The agent's side of `control-server.ts`. */
import http from 'node:http'
import { z } from 'zod'
import type { RouteTable } from '../routing/route-table.ts'
import { FunctionCounts, ProxyStats } from '../metrics/summary.ts'
import { StaleTableError } from '../routing/table-keeper.ts'

const Health = z.object({ status: z.literal('ok'), generation: z.int() })
const Stale = z.object({ generation: z.int() })

export interface ProxyControlOptions {
  controlPath: string
  timeoutMs?: number
}

/** The proxy cannot be reached, or answered what it should not. */
export class ProxyControlError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ProxyControlError'
  }
}

export class ProxyControl {
  private readonly controlPath: string
  private readonly timeoutMs: number

  constructor(options: ProxyControlOptions) {
    this.controlPath = options.controlPath
    this.timeoutMs = options.timeoutMs ?? 5_000
  }

  /**
   * Resolves once every worker serves the table and holds no idle connection to an instance that is not in it.
   * @throws StaleTableError carrying the generation that is served; ProxyControlError
   */
  async setRoutes(table: RouteTable): Promise<void> {
    const { status, body } = await this.request('PUT', '/routes', table)
    if (status === 409) throw new StaleTableError(Stale.parse(body).generation)
    if (status !== 204) throw new ProxyControlError(`the proxy refused the routes: ${status} ${JSON.stringify(body)}`)
  }

  /** @throws ProxyControlError */
  async stats(): Promise<ProxyStats> {
    return this.get('/stats', ProxyStats)
  }

  /** @throws ProxyControlError */
  async figures(): Promise<FunctionCounts[]> {
    return this.get('/figures', z.array(FunctionCounts))
  }

  /** @throws ProxyControlError */
  async health(): Promise<z.infer<typeof Health>> {
    return this.get('/healthz', Health)
  }

  private async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const { status, body } = await this.request('GET', path)
    const parsed = schema.safeParse(body)
    if (status !== 200 || !parsed.success) throw new ProxyControlError(`the proxy answered ${status} to ${path}`)
    return parsed.data
  }

  private request(method: string, path: string, payload?: unknown): Promise<{ status: number; body: unknown }> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(new ProxyControlError(`no answer from the proxy at ${this.controlPath}: ${cause.message}`, cause))
      const text = payload === undefined ? '' : JSON.stringify(payload)
      const request = http.request(
        {
          socketPath: this.controlPath,
          method,
          path,
          agent: false,
          signal: AbortSignal.timeout(this.timeoutMs),
          headers: text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
        },
        response => {
          const pieces: Buffer[] = []
          response.on('data', (piece: Buffer) => pieces.push(piece))
          response.on('error', fail)
          response.on('end', () => {
            try {
              const answer = Buffer.concat(pieces).toString()
              resolve({ status: response.statusCode ?? 0, body: answer === '' ? undefined : JSON.parse(answer) })
            } catch (error) {
              fail(error as Error)
            }
          })
        },
      )
      request.on('error', fail)
      request.end(text)
    })
  }
}
