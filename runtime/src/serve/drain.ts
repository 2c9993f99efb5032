/** The invocations in flight, and how an instance shuts down around them. */
import type { Server } from 'node:http'
import type { Farewell } from './farewell.ts'
import type { Invocation } from './invocation.ts'

/** How long a shutdown waits for others. */
export interface Patience {
  /**
   * How long an instance keeps listening, and refusing, after it was told to stop: a request sent before the
   * caller knew is then answered with a 503, which can be retried elsewhere, unlike a closed socket.
   */
  lameDuckMs: number
  /** For invocations to finish. */
  drainMs: number
  /** Time for aborted invocations to clean up, and then for connections to close on their own. */
  graceMs: number
}

const CATCH_UP_TURNS = 3

export const patienceOf = (drainMs: number): Patience => ({ lameDuckMs: 100, drainMs, graceMs: 500 })

export class Inflight {
  readonly #invocations = new Set<Invocation>()
  readonly #waiting = new Set<() => void>()

  get size(): number {
    return this.#invocations.size
  }

  add(invocation: Invocation): void {
    this.#invocations.add(invocation)
  }

  delete(invocation: Invocation): void {
    this.#invocations.delete(invocation)
    if (this.#invocations.size === 0) for (const wake of this.#waiting) wake()
  }

  [Symbol.iterator](): Iterator<Invocation> {
    return this.#invocations.values()
  }

  /** Resolves when nothing is in flight, at the latest after `timeoutMs`. */
  async idle(timeoutMs: number): Promise<void> {
    if (this.size === 0) return
    await withinMs(timeoutMs, resolve => this.#waiting.add(resolve))
    this.#waiting.clear()
  }
}

/**
 * Everything that the kernel has is read: one turn of the event loop accepts connections, the next reads what they brought.
 * After a moment without a turn (no CPU, or a handler that computes) timers come first, and connections with a request that
 * nobody has read would look idle.
 */
async function catchUp(): Promise<void> {
  for (let turn = 0; turn < CATCH_UP_TURNS; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

/**
 * Refuses for a moment, stops listening, lets invocations finish for `drainMs`, aborts what is left, and resolves when
 * every connection is closed. The caller refuses requests that still arrive on connections that are open.
 */
export async function drain(
  server: Server,
  { inflight, farewell, patience }: { inflight: Inflight; farewell: Farewell; patience: Patience },
): Promise<void> {
  const { lameDuckMs, drainMs, graceMs } = patience
  const dismiss = () => farewell.say(new Set([...inflight].map(({ request }) => request.socket)))
  for (const invocation of inflight) invocation.startDraining()
  await new Promise(resolve => setTimeout(resolve, lameDuckMs))
  await catchUp()
  dismiss()
  let connectionsClosed = false
  const closed = new Promise<void>(resolve => {
    server.close(() => {
      connectionsClosed = true
      resolve()
    })
  })
  await inflight.idle(drainMs)
  for (const invocation of inflight) invocation.abort(new DOMException('The instance has to stop', 'AbortError'))
  await inflight.idle(graceMs)
  for (const invocation of inflight) invocation.response.destroy()
  await catchUp()
  dismiss()
  server.closeIdleConnections()
  if (!connectionsClosed) await withinMs(graceMs, resolve => void closed.then(resolve))
  server.closeAllConnections()
  await closed
}

function withinMs(timeoutMs: number, wait: (resolve: () => void) => void): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, timeoutMs)
    wait(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
