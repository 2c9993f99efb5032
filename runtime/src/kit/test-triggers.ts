/** Runs the triggers of a function under test: one event after the other, in the order of the store's log. */
import {
  CLOUD_EVENT_TYPE,
  DOCUMENT_EVENT_KINDS,
  EVENTS_PREFIX,
  HEADERS,
  isEventLike,
  TRIGGER_KEY,
  type CloudEvent,
  type DocumentCloudEvent,
  type DocumentEventKind,
  type StoredDocument,
} from '../protocol/index.ts'
import type { EventPattern } from '../handlers.ts'
import type { Work } from './background.ts'
import type { TriggerSpec } from './options.ts'
import type { TestClock } from '../schedules/manual-clock.ts'
import type { TestOutlet } from './test-outlet.ts'

/** An event for `trigger()`. What is left out follows from the rest. */
export interface TestEvent<T = unknown> {
  readonly table: string
  readonly id: string
  readonly before?: T
  readonly after?: T
  readonly kind?: DocumentEventKind
  readonly version?: number
  readonly sequence?: number
  /** ISO 8601. */
  readonly time?: string
}

/** As on the platform: an event that so many others led to, one after the other, is not run. */
const DEPTH_LIMIT = 16

export interface TriggerParts {
  readonly name: string
  readonly triggers: readonly (TriggerSpec & { readonly key?: string })[]
  readonly events: readonly (EventPattern & { readonly key?: string })[]
  readonly retries: number
  readonly send: (request: Request) => Promise<Response>
  readonly outlet: TestOutlet
  readonly work: Work
  readonly clock: TestClock
}

export class TestTriggers {
  readonly #parts: TriggerParts
  #calls = 0

  constructor(parts: TriggerParts) {
    this.#parts = parts
  }

  /** Queues an event of the store for each trigger that wants it. */
  take(event: DocumentCloudEvent): void {
    for (const key of this.#keysFor(event)) {
      this.#parts.work.add(async () => {
        if (event.eventdepth > DEPTH_LIMIT) {
          const { table, id } = event.data
          const chain = `${table}/${id} is at the end of a chain of ${event.eventdepth} document events`
          throw new Error(`EVENT_LOOP: ${chain}; ${this.#parts.name} seems to trigger itself`)
        }
        await this.#deliver(key, { event, depth: event.eventdepth, retries: this.#parts.retries })
      })
    }
  }

  /** The same for an event that was published, at the end of a chain of `depth`. */
  takePublished(event: CloudEvent, depth: number): void {
    for (const key of this.#keysForPublished(event)) {
      this.#parts.work.add(async () => {
        if (depth > DEPTH_LIMIT) {
          const chain = `${event.id} (${event.type}) is at the end of a chain of ${depth} events`
          throw new Error(`EVENT_LOOP: ${chain}; ${this.#parts.name} seems to trigger itself`)
        }
        await this.#deliver(key, { event, depth, retries: this.#parts.retries })
      })
    }
  }

  /** Rejects with what the handler threw. */
  async run(given: TestEvent | CloudEvent): Promise<void> {
    if (isWhole(given)) {
      const keys = this.#keysForPublished(given)
      if (keys.length === 0) throw new Error(`${this.#parts.name} has no trigger for ${given.type} of ${given.source}`)
      for (const key of keys) await this.#deliver(key, { event: given, depth: 0, retries: 0 })
      return
    }
    const event = this.#eventOf(given)
    const keys = this.#keysFor(event)
    if (keys.length === 0) {
      const { kind, table, id } = event.data
      throw new Error(`${this.#parts.name} has no trigger for ${kind} of ${table}/${id}`)
    }
    for (const key of keys) await this.#deliver(key, { event, depth: event.eventdepth, retries: 0 })
  }

  #keysForPublished(event: CloudEvent): string[] {
    return this.#parts.events.filter(pattern => isEventLike(pattern, event)).map(({ key = TRIGGER_KEY }) => key)
  }

  #keysFor({ data: { table, kind, id } }: DocumentCloudEvent): string[] {
    return this.#parts.triggers
      .filter(({ events = DOCUMENT_EVENT_KINDS }) => events.includes(kind))
      .filter(trigger => trigger.table === table && (trigger.ids?.includes(id) ?? true))
      .map(({ key = TRIGGER_KEY }) => key)
  }

  async #deliver(
    key: string,
    { event, depth, retries }: { event: CloudEvent | DocumentCloudEvent; depth: number; retries: number },
  ): Promise<void> {
    const callId = `event_${String((this.#calls += 1)).padStart(6, '0')}`
    for (let attempt = 1; ; attempt += 1) {
      const requestId = crypto.randomUUID()
      const headers = {
        'content-type': CLOUD_EVENT_TYPE,
        [HEADERS.requestId]: requestId,
        [HEADERS.callId]: callId,
        [HEADERS.callAttempt]: String(attempt),
        [HEADERS.eventDepth]: String(depth + 1),
        ...(typeof event.traceparent === 'string' && { traceparent: event.traceparent }),
      }
      const body = JSON.stringify(event)
      const url = `http://localhost${EVENTS_PREFIX}${key}`
      const response = await this.#parts.send(new Request(url, { method: 'POST', headers, body }))
      if (response.ok) return
      if (attempt <= retries) continue
      const thrown = this.#parts.outlet.errors.find(failed => failed.requestId === requestId)
      if (thrown !== undefined) throw thrown.error
      throw new Error(`${this.#parts.name} answered an event with ${response.status}: ${await response.text()}`)
    }
  }

  #eventOf({ table, id, before, after, ...given }: TestEvent): DocumentCloudEvent {
    const kind = given.kind ?? (after === undefined ? 'deleted-doc' : before === undefined ? 'new-doc' : 'updated-doc')
    const version = given.version ?? (kind === 'new-doc' ? 1 : 2)
    const time = given.time ?? new Date(this.#parts.clock.now()).toISOString()
    const sequence = String(given.sequence ?? 1)
    const document = (data: unknown, of: number): StoredDocument => {
      return { id, table, version: of, createdAt: time, editedAt: time, data }
    }
    return {
      ...{ specversion: '1.0', id: sequence, source: '/ryo-faas/test/store', type: `ryo-faas.store.${kind}` },
      ...{ subject: `${encodeURIComponent(table)}/${encodeURIComponent(id)}`, time, sequence },
      ...{ datacontenttype: 'application/json', eventdepth: 0 },
      data: {
        ...{ kind, table, id, version },
        ...(before !== undefined && { before: document(before, version - 1) }),
        ...(after !== undefined && { after: document(after, version) }),
      },
    }
  }
}

function isWhole(event: TestEvent | CloudEvent): event is CloudEvent {
  return 'specversion' in event
}
