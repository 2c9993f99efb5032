/** A function under test, as its test sees it. */
import type { Caller } from '../context.ts'
import { HEADERS, type CloudEvent, type DocumentCloudEvent } from '../protocol/index.ts'
import type { Table } from '../store.ts'
import type { Work } from './background.ts'
import { requestOf } from './exchange.ts'
import type { RecordedCall, RecordedCallback, TestCalls } from './test-calls.ts'
import type { TestClock } from '../schedules/manual-clock.ts'
import type { TestEvents } from './test-events.ts'
import type { RecordedError, RecordedLog, TestOutlet } from './test-outlet.ts'
import type { TestStore } from './test-store.ts'
import type { TestEvent, TestTriggers } from './test-triggers.ts'

export interface TestRequestInit extends RequestInit {
  /** The body, as JSON; the method is then `POST` unless it is given. */
  readonly json?: unknown
  /** Sends the request as an asynchronous call: `context().callId` and `context().attempt`. */
  readonly callId?: string
  readonly attempt?: number
  /** Who calls: `context().caller`. */
  readonly caller?: Caller
}

interface Parts {
  readonly send: (request: Request) => Promise<Response>
  readonly close: () => Promise<void>
  readonly clock: TestClock
  readonly store: TestStore
  readonly calls: TestCalls
  readonly published: TestEvents
  readonly outlet: TestOutlet
  readonly work: Work
  readonly triggers: TestTriggers
}

export class TestApp implements AsyncDisposable {
  /** Sets the time forward: deadlines, and the times of documents. */
  readonly clock: TestClock
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.clock = parts.clock
    this.#parts = parts
  }

  /**
   * Sends a request to the function and resolves to its response. A handler that throws is a response with status 500;
   * `errors` has what it threw.
   * @param input a path, e.g. `/orders/7?full=1`, or a whole URL or request
   */
  async request(input: string | URL | Request, init: TestRequestInit = {}): Promise<Response> {
    const { json, callId, attempt, caller, ...rest } = init
    const request = requestOf(
      input,
      json === undefined ? rest : { method: 'POST', ...rest, body: JSON.stringify(json) },
    )
    const { headers } = request
    if (json !== undefined && new Headers(rest.headers).get('content-type') === null) {
      headers.set('content-type', 'application/json')
    }
    if (callId !== undefined) headers.set(HEADERS.callId, callId)
    if (attempt !== undefined) headers.set(HEADERS.callAttempt, String(attempt))
    if (caller !== undefined) headers.set(HEADERS.caller, encodeURIComponent(JSON.stringify(caller)))
    return this.#parts.send(request)
  }

  /** As `request`: so that a function under test can be handed on wherever an object with `fetch` is expected. */
  readonly fetch = (input: string | URL | Request, init?: RequestInit): Promise<Response> => this.request(input, init)

  /** Runs the triggers that this event is for, and rejects with what a handler throws. */
  trigger<T = unknown>(event: TestEvent<T> | CloudEvent<T>): Promise<void> {
    return this.#parts.triggers.run(event)
  }

  /**
   * Resolves when all that writes and asynchronous calls have set off is done, and rejects if a trigger or a call failed.
   */
  settled(): Promise<void> {
    return this.#parts.work.settled()
  }

  /** A table of the function's store, as `store(name)` is inside the function. */
  store<T = unknown>(name: string): Table<T> {
    return this.#parts.store.table<T>(name)
  }

  /** Events of the store, in their order. */
  get events(): readonly DocumentCloudEvent[] {
    return this.#parts.store.events
  }

  /** What the function published with `publish()`. */
  get published(): readonly CloudEvent[] {
    return this.#parts.published.events
  }

  /** What the function called with `call()`. */
  get calls(): readonly RecordedCall[] {
    return this.#parts.calls.calls
  }

  /** Results of asynchronous calls with an `X-Callback-Url`, once they have `settled()`. */
  get callbacks(): readonly RecordedCallback[] {
    return this.#parts.calls.callbacks
  }

  /** Lines of `context().log`. */
  get logs(): readonly RecordedLog[] {
    return this.#parts.outlet.logs
  }

  /** What handlers threw. */
  get errors(): readonly RecordedError[] {
    return this.#parts.outlet.errors
  }

  /** Ends it as the platform does: what is running is finished, then `onStop`. Rejects as `settled()` does. */
  async close(): Promise<void> {
    try {
      await this.settled()
    } finally {
      await this.#parts.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
