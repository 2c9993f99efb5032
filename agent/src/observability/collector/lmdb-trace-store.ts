/**
 * `TraceStore` on LMDB, with the records of all traces in memory as well.
 *
 * | database | key | value |
 * |---|---|---|
 * | traces | order of the trace | `TraceRecord` as JSON |
 * | spans | order of the trace, id of the span | `Span` as JSON |
 *
 * Invariants: 1. memory is updated after the disk, so a failed write changes nothing. 2. everything that arrives within
 * `WRITE_EVERY_MS` is written together: this thread waits for the disk, but rarely.
 */
import type { Database, RootDatabase } from 'lmdb'
import type { TracePage, TraceQuery, TraceView } from '../../contract/index.ts'
import { boundedText, type ReceivedSpan, type Span } from './span.ts'
import { chooseEvicted } from './trace-eviction.ts'
import { TraceRecord, newRecord, summarize, withSpan } from './trace-record.ts'
import { select } from './trace-selection.ts'
import type { DropReason, TraceBounds, TraceFigures, TraceStore } from './trace-store.ts'

export interface TraceEnvironment {
  root: RootDatabase<Buffer, Buffer>
  traces: Database<Buffer, Buffer>
  spans: Database<Buffer, Buffer>
}

export interface LmdbTraceStoreOptions {
  environment: TraceEnvironment
  bounds: TraceBounds
  /** Called after traces have changed. */
  onChange: () => void
  /** A write failed; reported once until one succeeds again. */
  onFault: (error: unknown) => void
}

interface Waiting {
  traceId: string
  span: Span
  text: string
  sender: string
}

/** Bytes on disk in addition to the text of a span. */
const OVERHEAD_BYTES = 100
const MIN_PREFIX_DIGITS = 4
const WRITE_EVERY_MS = 200
/** lmdb.h: it accepts nothing until it is reopened. */
const MDB_PANIC = -30795

export class LmdbTraceStore implements TraceStore {
  readonly #options: LmdbTraceStoreOptions
  /** By id, in order of arrival. */
  readonly #records = new Map<string, TraceRecord>()
  readonly #dropped: Record<DropReason, number> = { busy: 0, storage: 0, trace: 0 }
  #bytes = 0
  #nextOrder = 1
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #isFailing = false
  #isBroken = false
  #isClosed = false

  /** @throws if the environment holds something that this class did not write */
  constructor(options: LmdbTraceStoreOptions) {
    this.#options = options
    for (const { value } of options.environment.traces.getRange({})) {
      const record = TraceRecord.parse(JSON.parse(value.toString()))
      this.#records.set(record.traceId, record)
      this.#bytes += record.bytes
      this.#nextOrder = record.order + 1
    }
  }

  add(spans: readonly ReceivedSpan[], sender = ''): number {
    let taken = 0
    for (const { traceId, span } of spans) {
      if (this.#isClosed || this.#waitingBytes >= this.#options.bounds.maxWaitingBytes) break
      const text = boundedText(span)
      this.#waiting.push({ traceId, span, text, sender })
      this.#waitingBytes += text.length
      taken++
    }
    this.#dropped.busy += spans.length - taken
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#write(), WRITE_EVERY_MS)
    return taken
  }

  list(query: TraceQuery): Promise<TracePage> {
    return select(this.#records.values(), query, (record, key, value) => {
      // Most texts do not contain it, and searching is faster than parsing.
      const quoted = JSON.stringify(key)
      return this.#texts(record).some(text => {
        if (!text.includes(quoted)) return false
        const found = (JSON.parse(text) as Span).attributes[key]
        return Array.isArray(found) ? found.map(String).includes(value) : String(found) === value
      })
    })
  }

  async find(wanted: string): Promise<TraceView | undefined> {
    const record = this.#lookUp(wanted)
    if (!record) return undefined
    const spans = this.#texts(record).map(text => JSON.parse(text) as Span)
    const relative = (ms: number) => Math.round((ms - record.startMs) * 1000) / 1000
    return {
      ...summarize(record),
      droppedSpans: record.dropped,
      spans: spans
        .sort((a, b) => a.startMs - b.startMs)
        .map(span => ({
          ...span,
          startMs: relative(span.startMs),
          durationMs: Math.round(span.durationMs * 1000) / 1000,
          events: span.events.map(event => ({ ...event, atMs: relative(event.atMs) })),
        })),
    }
  }

  figures(): TraceFigures {
    return { traces: this.#records.size, bytes: this.#bytes, dropped: { ...this.#dropped } }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#timer !== undefined) this.#write()
    await this.#options.environment.root.close()
  }

  #lookUp(wanted: string): TraceRecord | undefined {
    const exact = this.#records.get(wanted.toLowerCase())
    if (exact) return exact
    // The newest match wins.
    const prefix = wanted.length >= MIN_PREFIX_DIGITS ? wanted.toLowerCase() : undefined
    return [...this.#records.values()]
      .reverse()
      .find(
        ({ traceId, calls, requests }) =>
          (prefix !== undefined && traceId.startsWith(prefix)) ||
          requests.includes(wanted) ||
          calls.some(({ id }) => id === wanted),
      )
  }

  #texts({ order }: TraceRecord): string[] {
    // A read after closing crashes LMDB, and the API still runs until it has responded to a shutdown.
    if (this.#isClosed) return []
    const range = { start: spanKey(order, ''), end: spanKey(order + 1, '') }
    return [...this.#options.environment.spans.getRange(range)].map(({ value }) => value.toString())
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    try {
      this.#commit(batch)
      this.#isFailing = false
      this.#options.onChange()
    } catch (error) {
      this.#dropped.storage += batch.length
      if (!this.#isFailing) this.#options.onFault(error)
      this.#isFailing = true
      if ((error as { code?: unknown }).code === MDB_PANIC) this.#isBroken = true
    }
  }

  #commit(batch: readonly Waiting[]): void {
    if (this.#isBroken) throw new Error('the database has failed; the next start reopens it')
    const { root, traces, spans } = this.#options.environment
    const plan = this.#plan(batch)
    const gone = new Set(plan.evicted.map(({ order }) => order))
    root.transactionSync(() => {
      for (const record of plan.evicted) this.#erase(record)
      for (const { order, key, text } of plan.puts) if (!gone.has(order)) spans.putSync(key, Buffer.from(text))
      for (const record of plan.changed.values()) {
        if (!gone.has(record.order)) traces.putSync(orderKey(record.order), Buffer.from(JSON.stringify(record)))
      }
    })
    for (const record of plan.changed.values()) this.#records.set(record.traceId, record)
    for (const { traceId } of plan.evicted) this.#records.delete(traceId)
    this.#bytes = plan.bytes
    this.#dropped.trace += plan.dropped
    this.#nextOrder = plan.nextOrder
    // Later reads must see this write.
    root.resetReadTxn()
  }

  /** Computes what to write for these spans; changes nothing. */
  #plan(batch: readonly Waiting[]): Plan {
    const { environment, bounds } = this.#options
    const plan: Plan = {
      puts: [],
      changed: new Map(),
      evicted: [],
      bytes: this.#bytes,
      dropped: 0,
      nextOrder: this.#nextOrder,
    }
    const seen = new Set<string>()
    for (const { traceId, span, text, sender } of batch) {
      const record = plan.changed.get(traceId) ?? this.#records.get(traceId) ?? newRecord(traceId, plan.nextOrder++)
      const key = spanKey(record.order, span.spanId)
      // Senders that got no response send again.
      const id = `${traceId} ${span.spanId}`
      if (seen.has(id) || environment.spans.doesExist(key)) continue
      seen.add(id)
      const isKept = record.spans < bounds.maxSpansPerTrace
      const bytes = isKept ? Buffer.byteLength(text) + OVERHEAD_BYTES : 0
      plan.changed.set(traceId, {
        ...withSpan(record, span),
        owner: record.owner === '' ? sender : record.owner,
        spans: record.spans + (isKept ? 1 : 0),
        dropped: record.dropped + (isKept ? 0 : 1),
        bytes: record.bytes + bytes,
      })
      plan.bytes += bytes
      if (isKept) plan.puts.push({ order: record.order, key, text })
      else plan.dropped++
    }
    this.#planEviction(plan)
    return plan
  }

  #planEviction(plan: Plan): void {
    const { maxTraces, maxBytes } = this.#options.bounds
    const fresh = [...plan.changed.values()].filter(({ traceId }) => !this.#records.has(traceId))
    if (this.#records.size + fresh.length <= maxTraces && plan.bytes <= maxBytes) return
    const known = [...this.#records.values()].map(record => plan.changed.get(record.traceId) ?? record)
    plan.evicted = chooseEvicted([...known, ...fresh], this.#options.bounds)
    for (const { bytes } of plan.evicted) plan.bytes -= bytes
  }

  #erase({ order }: TraceRecord): void {
    const { traces, spans } = this.#options.environment
    traces.removeSync(orderKey(order))
    const range = { start: spanKey(order, ''), end: spanKey(order + 1, '') }
    for (const key of [...spans.getKeys(range)]) spans.removeSync(key)
  }
}

interface Plan {
  puts: { order: number; key: Buffer; text: string }[]
  /** By trace, including those evicted right away. */
  changed: Map<string, TraceRecord>
  /** Oldest first. */
  evicted: TraceRecord[]
  /** Size of all traces afterwards. */
  bytes: number
  /** Spans beyond the limit of their trace. */
  dropped: number
  nextOrder: number
}

function orderKey(order: number): Buffer {
  const key = Buffer.alloc(8)
  key.writeBigUInt64BE(BigInt(order))
  return key
}

function spanKey(order: number, spanId: string): Buffer {
  return Buffer.concat([orderKey(order), Buffer.from(spanId, 'hex')])
}
