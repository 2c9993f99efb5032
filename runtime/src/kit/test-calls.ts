/** The other functions, as the function under test sees them: each is answered by the test. */
import { FUNCTIONS_PREFIX, HEADERS, routeOf } from '../protocol/index.ts'
import type { Work } from './background.ts'

/** What answers calls of one name: a function of the test, or another function under test. */
export type CallAnswer =
  ((request: Request) => Response | Promise<Response>) | { fetch(request: Request): Response | Promise<Response> }

export interface RecordedCall {
  /** As it was written. */
  readonly name: string
  readonly method: string
  /** Path and query after the name. */
  readonly path: string
  readonly headers: Headers
  readonly body: string
  /** Of an asynchronous call (`Prefer: respond-async`). */
  readonly callId?: string
}

/** The result of an asynchronous call, as it is sent to its `X-Callback-Url`. */
export interface RecordedCallback {
  readonly url: string
  readonly callId: string
  readonly name: string
  readonly status: number
  readonly body: string
}

export const PROXY_URL = 'http://proxy.test'
const RESPOND_ASYNC = /(?:^|,)[ \t]*respond-async[ \t]*(?:[;,]|$)/i

export class TestCalls {
  readonly calls: RecordedCall[] = []
  readonly callbacks: RecordedCallback[] = []
  readonly #answers: ReadonlyMap<string, CallAnswer>
  readonly #work: Work

  constructor(answers: Readonly<Record<string, CallAnswer>>, work: Work) {
    this.#answers = new Map(Object.entries(answers).map(([name, answer]) => [routeOf(name), answer]))
    this.#work = work
  }

  /** Answers a request to the proxy. */
  async answer(request: Request): Promise<Response> {
    request.signal.throwIfAborted()
    const { pathname, search } = new URL(request.url)
    const [, route = '', rest = ''] = /^\/functions\/([^/]*)(.*)$/.exec(pathname) ?? []
    const body = Buffer.from(await request.arrayBuffer())
    const path = (rest || '/') + search
    const recorded = { name: route, method: request.method, path, headers: request.headers, body: body.toString() }
    const answer = this.#answers.get(route)
    if (answer === undefined) throw noAnswer(route)
    const again = () =>
      new Request(new URL(path, 'http://localhost'), {
        method: request.method,
        headers: request.headers,
        signal: request.signal,
        ...(body.length > 0 && { body }),
      })
    if (!RESPOND_ASYNC.test(request.headers.get('prefer') ?? '')) {
      this.calls.push(recorded)
      return run(answer, again())
    }
    const callId = `call_${String(this.calls.length + 1).padStart(6, '0')}`
    this.calls.push({ ...recorded, callId })
    const queued = new Request(again(), { signal: null })
    this.#work.add(() => this.#runQueued(answer, queued, { name: route, callId }))
    return Response.json(
      { callId, status: 'queued' },
      { status: 202, headers: { [HEADERS.callId]: callId, 'preference-applied': 'respond-async' } },
    )
  }

  async #runQueued(answer: CallAnswer, request: Request, about: { name: string; callId: string }): Promise<void> {
    const url = request.headers.get(HEADERS.callbackUrl)
    request.headers.set(HEADERS.callId, about.callId)
    const response = await run(answer, request)
    if (url === null) return
    const { status, headers } = response
    const body = await response.text()
    this.callbacks.push({ url, ...about, status, body })
    const target = URL.canParse(url) && new URL(url).origin === PROXY_URL ? new URL(url) : undefined
    if (target === undefined || !target.pathname.startsWith(FUNCTIONS_PREFIX)) return
    const sent = { [HEADERS.callId]: about.callId, 'x-function-name': about.name, 'x-function-status': String(status) }
    const type = headers.get('content-type')
    await this.answer(
      new Request(target, {
        method: 'POST',
        body,
        headers: { ...sent, ...(type !== null && { 'content-type': type }) },
      }),
    )
  }
}

async function run(answer: CallAnswer, request: Request): Promise<Response> {
  return typeof answer === 'function' ? answer(request) : answer.fetch(request)
}

function noAnswer(route: string): Error {
  return new Error(
    `call('${route}') has no answer in this test: testFunction(handler, { call: { '${route}': request => new Response() } })`,
  )
}
