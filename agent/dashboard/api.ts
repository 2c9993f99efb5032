/**
 * Requests to the agent: with the key from the page's address, which allows reading, and no changes; or, where people sign
 * in, with the cookie that the browser adds and the page never sees.
 */
import type {
  ClockView,
  MetricsHistory,
  PlatformView,
  ScheduleLine,
  TracePage,
  TraceView,
} from '../src/contract/index.ts'
import { currentKey, rememberKey } from './key.ts'

/** Path prefix where an editor in a browser forwards the port. */
const BASE = location.pathname.replace(/\/dashboard\/?$/, '')

/** The agent refused, or did not respond. */
export class AskError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Removes the key from the address, so that it is not copied along with it.
 * @returns what else the address says: the theme, if one is asked for
 */
export function takeKey(): { theme?: unknown; contrast?: unknown } {
  const given = new URLSearchParams(location.hash.slice(1))
  const key = given.get('key')
  if (key === null) return {}
  rememberKey(key)
  history.replaceState(null, '', `${location.pathname}#${given.get('to') ?? '/'}`)
  return Object.fromEntries(given)
}

async function ask(path: string, signal?: AbortSignal, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    const key = currentKey()
    response = await fetch(BASE + path, {
      ...(key !== '' && { headers: { authorization: `Bearer ${key}` } }),
      ...init,
      ...(signal && { signal }),
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new AskError('AWAY', 'The agent is not responding. Retrying…')
  }
  if (response.ok) return response
  const { error } = (await response.json().catch(() => ({}))) as { error?: { code?: string; message?: string } }
  throw new AskError(error?.code ?? 'UNKNOWN', error?.message ?? `The agent returned ${response.status}.`)
}

async function json<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, signal)).json()) as T
}

export interface SchedulesView {
  clock: ClockView
  schedules: ScheduleLine[]
}

export type TraceFilter = Record<string, string>

export const agent = {
  platform: (signal?: AbortSignal) => json<PlatformView>('/v1/platform', signal),
  schedules: (signal?: AbortSignal) => json<SchedulesView>('/v1/schedules', signal),
  history: (since: number, signal?: AbortSignal) => json<MetricsHistory>(`/metrics/history?since=${since}`, signal),
  traces: (filter: TraceFilter, signal?: AbortSignal) =>
    json<TracePage>(`/traces?${new URLSearchParams(filter).toString()}`, signal),
  retryCertificate: (domain: string) =>
    ask(`/v1/certificates/${encodeURIComponent(domain)}/retry`, undefined, { method: 'POST' }),
  trace: (id: string, signal?: AbortSignal) => json<TraceView>(`/traces/${encodeURIComponent(id)}`, signal),
}

/** Who is signed in. Only where the dashboard is served to people elsewhere; on this machine the agent knows no such path. */
export interface Session {
  name: string
  can: 'read' | 'deploy' | 'admin'
}

export const session = {
  /** Without a name: nobody is. @throws AskError where nobody can sign in, or need not because of a key */
  current: async (signal?: AbortSignal) => {
    if (currentKey() !== '') throw new AskError('KEY', 'the key is enough')
    return json<Partial<Session>>('/session', signal)
  },
  begin: (token: string) =>
    ask('/session', undefined, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    }),
  end: () => ask('/session', undefined, { method: 'DELETE' }),
}

/** Types of the agent's events as they come; ends with the connection. */
export async function* signals(signal: AbortSignal): AsyncGenerator<string> {
  const response = await ask('/v1/events', signal)
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (rest + value).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line !== '') yield (JSON.parse(line) as { type: string }).type
  }
}
