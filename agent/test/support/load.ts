/** Callers on 64 connections by default, each sending its next request after the last response, at once or after a pause. */
import { setTimeout } from 'node:timers/promises'
import { Pool } from 'undici'

export interface LoadResult {
  calls: number
  /** One line for each call without a 200. */
  failures: string[]
  /** Number of responses by body. */
  bodies: Map<string, number>
}

export interface Load {
  readonly calls: number
  /** Resolves after this many further responses. */
  after(calls: number): Promise<void>
  stop(): Promise<LoadResult>
}

export function startLoad(
  url: string,
  options: { connections?: number; method?: 'GET' | 'POST'; body?: string; pauseMs?: number } = {},
): Load {
  const { origin, pathname } = new URL(url)
  const { connections = 64, method = 'GET', body, pauseMs = 0 } = options
  const pool = new Pool(origin, { connections, pipelining: 1 })
  const result: LoadResult = { calls: 0, failures: [], bodies: new Map() }
  const waiting: { at: number; resolve: () => void }[] = []
  let stopped = false

  const call = async () => {
    try {
      const response = await pool.request({ path: pathname, method, ...(body !== undefined && { body }) })
      const text = await response.body.text()
      if (response.statusCode === 200) result.bodies.set(text, (result.bodies.get(text) ?? 0) + 1)
      else result.failures.push(`${response.statusCode} ${text.trim()}`)
    } catch (error) {
      result.failures.push(String(error))
    }
    result.calls++
    while (waiting[0] && waiting[0].at <= result.calls) waiting.shift()!.resolve()
  }
  const callers = Array.from({ length: connections }, async () => {
    while (!stopped) {
      await call()
      if (pauseMs > 0) await setTimeout(pauseMs)
    }
  })

  return {
    get calls() {
      return result.calls
    },
    after: calls => new Promise(resolve => waiting.push({ at: result.calls + calls, resolve })),
    stop: async () => {
      stopped = true
      await Promise.all(callers)
      await pool.close()
      return result
    },
  }
}
