/**
 * Connections to the database. Invariants: 1. A connection that failed is never used again. 2. While the database is away,
 * requests fail at once; it is tried again after a pause that grows. 3. A password is in no error and no log.
 */
import pg from 'pg'
import { backoffMs } from '../../../host/index.ts'
import { isAway, storageAway } from './faults.ts'

export type Client = pg.Client

const CONNECT_MS = 5_000
const PAUSE = { firstMs: 50, mostMs: 2_000 }

export interface LinkOptions {
  url: string
  /** Sent without waiting for what was sent before. */
  isPipelined?: boolean
  /** Settings of the session: SET commands, in one text. */
  settings?: string
  /** Told of every new connection, before it is used. */
  onConnect?: (client: Client) => Promise<void>
}

/** How the database is reached, for messages. */
export function placeOf(url: string): string {
  const { host, port, database, user } = new pg.Client({ connectionString: url })
  return `${user ?? ''}@${host}:${port}/${database ?? ''}`
}

export async function connect({ url, isPipelined = false, settings, onConnect }: LinkOptions): Promise<Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'ryo-faas',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...(isPipelined && { pipeline: true }),
  })
  // What happens to an idle connection; queries on it fail by themselves.
  client.on('error', () => undefined)
  try {
    await client.connect()
    if (settings !== undefined) await client.query(settings)
    await onConnect?.(client)
    return client
  } catch (error) {
    client.end().catch(() => undefined)
    throw error
  }
}

/** One connection that is made when it is needed, and again after it was lost. */
export class Link {
  readonly #options: LinkOptions
  #client: Promise<Client> | undefined
  #failures = 0
  #nextTryAt = 0
  #problem: unknown
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** @throws StoreError STORAGE_UNAVAILABLE; at once while it is away */
  client(): Promise<Client> {
    if (this.#client !== undefined) return this.#client
    if (this.#isClosed) throw storageAway('the store is closed')
    if (performance.now() < this.#nextTryAt) throw storageAway((this.#problem as Error).message, this.#problem)
    const connecting = connect(this.#options).then(
      client => {
        this.#failures = 0
        client.once('end', () => this.#forget(connecting))
        client.once('error', () => this.#forget(connecting))
        return client
      },
      (error: unknown) => {
        this.#forget(connecting)
        this.#failures += 1
        this.#problem = error
        this.#nextTryAt = performance.now() + backoffMs(PAUSE, this.#failures, Math.random())
        throw storageAway((error as Error).message, error)
      },
    )
    this.#client = connecting
    return connecting
  }

  async query<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]> {
    const client = await this.client()
    try {
      const { rows } = await client.query<Row>(query)
      return rows
    } catch (error) {
      if (isAway(error)) this.drop(client)
      throw error
    }
  }

  /** Something is wrong with this connection. */
  drop(client: Client): void {
    this.#client = undefined
    client.end().catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const client = await this.#client?.catch(() => undefined)
    await client?.end()
  }

  #forget(connecting: Promise<Client>): void {
    if (this.#client === connecting) this.#client = undefined
  }
}
