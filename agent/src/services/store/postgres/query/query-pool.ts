/** Connections for queries: each may take long, so they do not stand in the way of each other or of look-ups. */
import pg from 'pg'
import { Link } from '../database.ts'
import { translateFault } from '../faults.ts'

const MOST = 6
const CONNECT_MS = 5_000

export class QueryPool {
  readonly #pool: pg.Pool
  /** Of its own: queries that are to be cancelled may have all the others. */
  readonly #cancels: Link

  constructor(url: string) {
    this.#pool = new pg.Pool({
      ...{ connectionString: url, application_name: 'ryo-faas', max: MOST },
      ...{ connectionTimeoutMillis: CONNECT_MS, idleTimeoutMillis: 30_000, keepAlive: true },
    })
    this.#cancels = new Link({ url, isPipelined: true })
    // An idle connection was lost: it is taken out, and another made when it is needed.
    this.#pool.on('error', () => undefined)
  }

  /** @param signal ends the query in the database too */
  async rows<Row extends object>(text: string, values: unknown[], signal?: AbortSignal): Promise<Row[]> {
    signal?.throwIfAborted()
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw translateFault(error)
    })
    let isCancelled = false
    const cancel = () => {
      isCancelled = true
      const { processID } = client as unknown as { processID: number }
      // It may have ended by now, and the connection be another's: it is not given back before this is over.
      cancelling = this.#cancels
        .query({ text: 'SELECT pg_cancel_backend($1)', values: [processID] })
        .catch(() => undefined)
    }
    let cancelling: Promise<unknown> | undefined
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      const { rows } = await client.query<Row & pg.QueryResultRow>(text, values)
      return rows
    } catch (error) {
      signal?.throwIfAborted()
      throw translateFault(error)
    } finally {
      signal?.removeEventListener('abort', cancel)
      await cancelling
      client.release(isCancelled)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.end(), this.#cancels.close()])
  }
}
