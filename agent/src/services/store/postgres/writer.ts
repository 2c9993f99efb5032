/**
 * All that changes the database, one transaction after the other on one connection.
 *
 * Invariants: 1. Every transaction takes the writers' lock first, so that of any number of processes one writes at a time;
 * it is held until the transaction is over and visible, which is why events appear in the order of their sequences and
 * without gaps. 2. Writes that wait together share a transaction; one that fails it is then tried alone, like the others.
 * 3. Each transaction leaves its number in the row of its writer. When the answer to a commit is lost, the row says what
 * came of it: it is read under the lock, when no transaction of ours can be on its way any more. Nothing else is
 * written before that is known.
 */
import { StoreError } from '@ryo-faas/runtime/documents'
import { backoffMs, GrowingUlids } from '../../../host/index.ts'
import type { WriteContext, WriteOperation, WriteOutcome } from '../documents/index.ts'
import { Batch, type BatchResult, type Found, keyOf, type Place } from './batch.ts'
import { textArray } from './binary-arrays.ts'
import { type Client, Link } from './database.ts'
import { isAway, storageAway, translateFault } from './faults.ts'
import { SCHEMA, WRITE_LOCK } from './names.ts'
import { putDown } from './put-down.ts'

/** Runs in the transaction, under the lock. */
type Work = (client: Client) => Promise<unknown>

interface Waiting {
  job: { kind: 'write'; operations: readonly WriteOperation[]; context: WriteContext } | { kind: 'work'; work: Work }
  length: number
  resolve: (result: never) => void
  reject: (error: Error) => void
}

export interface WriterOptions {
  url: string
  /** `DocumentCloudEvent.source` */
  source: string
  /** Of the last event; told before those who wait are. */
  onCommitted: (sequence: number) => void
}

const MOST_WAITING = 20_000
const MOST_LENGTH = 64 * 1024 * 1024
/** Of one transaction. */
const MOST_TOGETHER = 1_000
const MOST_LENGTH_TOGETHER = 8 * 1024 * 1024
const PAUSE = { firstMs: 50, mostMs: 1_000 }
/** For so long those who wait for an outcome are kept waiting while the database is away. */
const UNKNOWN_MS = 60_000
/**
 * A plan that was made while a table was small must not stay when it is large, so they are made once, and only of look-ups.
 * A process that hangs in a transaction loses it, with the lock.
 */
export const LOOK_UPS =
  'SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; ' +
  'SET plan_cache_mode = force_generic_plan; SET statement_timeout = 0; SET lock_timeout = 0; SET jit = off'
const SETTINGS = `${LOOK_UPS}; SET idle_in_transaction_session_timeout = '30s';
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`

export class Writer {
  readonly #options: WriterOptions
  readonly #link: Link
  readonly #ids = new GrowingUlids()
  readonly #instance = crypto.randomUUID()
  readonly #closing = new AbortController()
  #batch = 0
  #queue: Waiting[] = []
  #length = 0
  #working: Promise<void> | undefined

  constructor(options: WriterOptions) {
    this.#options = options
    this.#link = new Link({ url: options.url, isPipelined: true, settings: SETTINGS })
  }

  /** @throws StoreError BUSY, SHUTTING_DOWN, STORAGE_UNAVAILABLE, OUTCOME_UNKNOWN, STORAGE_FULL, STORAGE_FAILED */
  async write(operations: readonly WriteOperation[], context: WriteContext): Promise<WriteOutcome> {
    const length = operations.reduce((sum, operation) => sum + lengthOf(operation), 0)
    return this.#enqueue({ kind: 'write', operations, context }, length)
  }

  /** A transaction of its own. May run twice: what it did before the last time was undone. */
  async alone<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
    return this.#enqueue({ kind: 'work', work }, 0)
  }

  /** Finishes what was given. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#working
    await this.#link.close()
  }

  #enqueue<Result>(job: Waiting['job'], length: number): Promise<Result> {
    if (this.#closing.signal.aborted) throw new StoreError('SHUTTING_DOWN', 'the store is closed')
    if (this.#queue.length >= MOST_WAITING || this.#length >= MOST_LENGTH) {
      throw new StoreError('BUSY', 'more writes wait than the store holds')
    }
    this.#length += length
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, length, resolve, reject })
      this.#working ??= this.#work()
    })
  }

  async #work(): Promise<void> {
    // What arrives in this turn of the event loop goes along.
    await new Promise(setImmediate)
    while (this.#queue.length > 0) await this.#run(this.#take())
    // At once: whoever comes now must find nobody at work.
    this.#working = undefined
  }

  /** Those at the head of the queue that go together. */
  #take(): Waiting[] {
    let [count, length] = [0, 0]
    for (const { job, length: own } of this.#queue) {
      if (count > 0 && (job.kind === 'work' || length + own > MOST_LENGTH_TOGETHER)) break
      count += 1
      length += own
      if (job.kind === 'work' || count === MOST_TOGETHER) break
    }
    const taken = this.#queue.splice(0, count)
    for (const { length: own } of taken) this.#length -= own
    return taken
  }

  async #run(together: Waiting[]): Promise<void> {
    const attempt = await this.#attempt(together)
    switch (attempt.kind) {
      case 'committed':
        this.#options.onCommitted(attempt.sequence)
        together.forEach(({ resolve }, at) => resolve(attempt.results[at] as never))
        return
      case 'failed':
        if (together.length === 1 || isAway(attempt.error)) {
          const error = translateFault(attempt.error)
          for (const { reject } of together) reject(error)
          return
        }
        for (const waiting of together) await this.#run([waiting])
        return
      case 'unknown':
        for (const { reject } of together) reject(attempt.error)
    }
  }

  async #attempt(together: Waiting[]): Promise<Attempt> {
    let client: Client
    try {
      client = await this.#link.client()
    } catch (error) {
      return { kind: 'failed', error: error as Error }
    }
    const batch = ++this.#batch
    let made: Made | undefined
    try {
      made = await this.#make(client, { together, batch })
      const [, commit] = await Promise.all([made.put, client.query('COMMIT')])
      if (commit.command === 'COMMIT') return { kind: 'committed', ...made }
      return { kind: 'failed', error: new Error('the transaction was rolled back') }
    } catch (error) {
      if (!isAway(error)) {
        await client.query('ROLLBACK').catch(() => this.#link.drop(client))
        return { kind: 'failed', error: error as Error }
      }
      this.#link.drop(client)
      // Without its COMMIT there is no transaction.
      return made === undefined ? { kind: 'failed', error: error as Error } : this.#find(batch, made)
    }
  }

  /** Everything but the COMMIT; the last statement is on its way when it resolves. */
  async #make(client: Client, { together, batch }: { together: Waiting[]; batch: number }): Promise<Made> {
    const writer = { instance: this.#instance, batch }
    const writes = together.flatMap(({ job }) => (job.kind === 'write' ? [job] : []))
    const begun = Promise.all([
      client.query('BEGIN ISOLATION LEVEL READ COMMITTED'),
      client.query({ name: 'lock', text: 'SELECT pg_advisory_xact_lock($1)', values: [WRITE_LOCK] }),
    ])
    // Each of these sees what was committed when the lock was had.
    const [[last], known] = await Promise.all([
      client.query<{ sequence: string }>({ name: 'last', text: LAST_SEQUENCE }).then(({ rows }) => rows),
      this.#read(
        client,
        writes.flatMap(({ operations }) => operations),
      ),
      begun,
    ])
    const sequence = Number(last!.sequence)
    const [{ job }] = together as [Waiting]
    if (job.kind === 'work') {
      const result = await job.work(client)
      return { results: [result], sequence, put: client.query(putDown(NOTHING, { tables: new Map(), writer })) }
    }
    const now = new Date().toISOString()
    const { source } = this.#options
    const work = new Batch({ sequence, ...known, source, now, nextId: () => this.#ids.next() })
    const results = writes.map(({ operations, context }) => work.write(operations, context))
    const result = work.result()
    const tables = new Map(known.tables)
    if (result.newTables.length > 0) {
      const { rows } = await client.query<TableRow>({ text: NEW_TABLES, values: [textArray(result.newTables)] })
      for (const { number, name } of rows) tables.set(name, number)
    }
    return { results, sequence: result.sequence, put: client.query(putDown(result, { tables, writer })) }
  }

  /** The tables and documents that operations are about. */
  async #read(client: Client, operations: WriteOperation[]): Promise<{ tables: Map<string, number>; found: Found[] }> {
    const names = [...new Set(operations.map(({ table }) => table))]
    const places = new Map<string, Place>()
    for (const { table, id } of operations) if (id !== undefined) places.set(keyOf({ table, id }), { table, id })
    const given = [...places.values()]
    const [tables, documents] = await Promise.all([
      names.length === 0
        ? []
        : client
            .query<TableRow>({ name: 'tables', text: KNOWN_TABLES, values: [textArray(names)] })
            .then(({ rows }) => rows),
      given.length === 0
        ? []
        : client
            .query<DocumentRow>({
              name: 'documents',
              text: KNOWN_DOCUMENTS,
              values: [textArray(given.map(({ table }) => table)), textArray(given.map(({ id }) => id))],
            })
            .then(({ rows }) => rows),
    ])
    return {
      tables: new Map(tables.map(({ name, number }) => [name, number])),
      found: documents.map(({ name, id, text, version }) => ({
        ...{ table: name, id, text: text ?? undefined, lastVersion: Number(version ?? 0) },
      })),
    }
  }

  /** What came of a transaction to whose COMMIT there was no answer. */
  async #find(batch: number, { results, sequence, put }: Made): Promise<Attempt> {
    put.catch(() => undefined) // It failed with the connection.
    const until = performance.now() + UNKNOWN_MS
    for (let failures = 1; ; failures += 1) {
      try {
        const client = await this.#link.client()
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
        await client.query('SELECT pg_advisory_xact_lock($1)', [WRITE_LOCK])
        const { rows } = await client.query<{ batch: string }>(
          `SELECT batch FROM ${SCHEMA}.writers WHERE instance = $1`,
          [this.#instance],
        )
        await client.query('COMMIT')
        if (Number(rows[0]?.batch ?? 0) === batch) return { kind: 'committed', results, sequence }
        return { kind: 'failed', error: storageAway('it went away during the write, which was not kept') }
      } catch (error) {
        if (performance.now() > until || this.#closing.signal.aborted) return { kind: 'unknown', error: unknown(error) }
        await new Promise(resolve => setTimeout(resolve, backoffMs(PAUSE, failures)))
      }
    }
  }
}

interface Made {
  results: unknown[]
  sequence: number
  put: Promise<unknown>
}

type Attempt =
  | { kind: 'committed'; results: unknown[]; sequence: number }
  | { kind: 'failed'; error: Error }
  | { kind: 'unknown'; error: Error }

interface TableRow {
  number: number
  name: string
}

interface DocumentRow {
  name: string
  id: string
  text: string | null
  version: string | null
}

const NOTHING: BatchResult = {
  ...{ sequence: 0, newTables: [], inserts: [], updates: [], deletes: [], remember: [], forget: [], log: [] },
  grown: new Map(),
}

/** What was trimmed counts too. */
export const LAST_SEQUENCE = `SELECT greatest((SELECT max(sequence) FROM ${SCHEMA}.log),
  (SELECT value::text::bigint FROM ${SCHEMA}.state WHERE name = 'trimmed')) AS sequence`
const NEW_TABLES = `INSERT INTO ${SCHEMA}.tables (name) SELECT unnest($1::text[]) RETURNING number, name`
const KNOWN_TABLES = `SELECT number, name FROM ${SCHEMA}.tables WHERE name = ANY ($1::text[])`
const KNOWN_DOCUMENTS = `SELECT t.name, r.id, d.text, g.version
  FROM unnest($1::text[], $2::text[]) AS r (name, id)
  JOIN ${SCHEMA}.tables AS t ON t.name = r.name
  LEFT JOIN ${SCHEMA}.documents AS d ON d.table_number = t.number AND d.id = r.id
  LEFT JOIN ${SCHEMA}.deleted AS g ON g.table_number = t.number AND g.id = r.id
  WHERE d.id IS NOT NULL OR g.id IS NOT NULL`

function lengthOf(operation: WriteOperation): number {
  return 'data' in operation ? operation.data.length : 'patch' in operation ? operation.patch.length : 0
}

function unknown(cause: unknown): StoreError {
  return new StoreError(
    'OUTCOME_UNKNOWN',
    'the database went away during the write and has not come back; the write is kept as a whole or not at all',
    { cause },
  )
}
