/** Live data of the page: the address, the agent's events, the metrics of the last half hour. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { FunctionPoint, PlatformPoint } from '../src/contract/index.ts'
import { agent, AskError, signals, takeKey } from './api.ts'

const POLL_MS = 2_000
const AGAIN_MS = 1_000
const WINDOW_MS = 30 * 60_000

/** The path in the address after `#`, and how to go elsewhere. */
export function useRoute(): string {
  const [route, setRoute] = useState(currentRoute)
  useEffect(() => {
    const changed = () => {
      // An address with a key may be entered in a page that is already open.
      takeKey()
      setRoute(currentRoute())
    }
    addEventListener('hashchange', changed)
    return () => removeEventListener('hashchange', changed)
  }, [])
  return route
}

export function go(route: string): void {
  location.hash = route
}

/** Changes the address without adding to the history. */
export function replaceRoute(route: string): void {
  history.replaceState(null, '', `#${route}`)
  dispatchEvent(new HashChangeEvent('hashchange'))
}

function currentRoute(): string {
  return location.hash.slice(1) || '/'
}

export interface Signals {
  /** Increases when traces have changed. */
  traces: number
  /** Increases when the platform has changed. */
  platform: number
  problem: AskError | undefined
}

/** Listens while the page is open, and reconnects when the connection ends. */
export function useSignals(): Signals {
  const [state, setState] = useState<Signals>({ traces: 0, platform: 0, problem: undefined })
  useEffect(() => {
    const abort = new AbortController()
    const listen = async () => {
      for await (const type of signals(abort.signal)) {
        setState(({ traces, platform }) => ({
          traces: traces + (type === 'traces-changed' || type === 'hello' ? 1 : 0),
          platform: platform + (type === 'platform-changed' || type === 'hello' ? 1 : 0),
          problem: undefined,
        }))
      }
    }
    const keepListening = async () => {
      while (!abort.signal.aborted) {
        await listen().catch((error: unknown) => {
          if (abort.signal.aborted) return
          const problem = error instanceof AskError ? error : new AskError('AWAY', 'The agent disconnected. Retrying…')
          setState(before => ({ ...before, problem }))
        })
        await new Promise(resolve => setTimeout(resolve, AGAIN_MS))
      }
    }
    void keepListening()
    return () => abort.abort()
  }, [])
  return state
}

/** Fetches when `key` changes; late responses to earlier requests are dropped. */
export function useFetched<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  key: string,
): { value?: T; problem?: AskError } {
  const [state, setState] = useState<{ value?: T; problem?: AskError }>({})
  useEffect(() => {
    const abort = new AbortController()
    ask(abort.signal).then(
      value => setState({ value }),
      (error: unknown) => {
        if (!abort.signal.aborted && error instanceof AskError) setState(before => ({ ...before, problem: error }))
      },
    )
    return () => abort.abort()
  }, [key])
  return state
}

export interface Figures {
  platform: PlatformPoint[]
  /** By name. */
  functions: Map<string, FunctionPoint[]>
}

/** The history, and each new point of it. */
export function useFigures(): Figures {
  const [figures, setFigures] = useState<Figures>({ platform: [], functions: new Map() })
  const newest = useRef(0)
  useEffect(() => {
    const abort = new AbortController()
    const look = async () => {
      const news = await agent.history(newest.current, abort.signal)
      const last = news.platform.at(-1)
      if (last === undefined) return
      newest.current = last.t
      setFigures(before => ({
        platform: recent([...before.platform, ...news.platform], last.t),
        functions: withNews(before.functions, news.functions, last.t),
      }))
    }
    const timer = setInterval(() => void look().catch(() => undefined), POLL_MS) // The next round tries again; the events show the problem.
    void look().catch(() => undefined)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [])
  return figures
}

function withNews(
  before: Figures['functions'],
  news: { name: string; points: FunctionPoint[] }[],
  now: number,
): Figures['functions'] {
  const all = new Map(before)
  for (const { name, points } of news) all.set(name, [...(all.get(name) ?? []), ...points])
  const kept = [...all].map(([name, points]) => [name, recent(points, now)] as const)
  return new Map(kept.filter(([, points]) => points.length > 0))
}

function recent<T extends { t: number }>(points: T[], now: number): T[] {
  return points.filter(({ t }) => t > now - WINDOW_MS)
}
