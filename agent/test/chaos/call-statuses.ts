/** Polls the state of calls until they have ended. */
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

export interface CallStatus {
  status: string
  callback: string
}

const CONNECTIONS = 16
const PAUSE_MS = 200
const TIMEOUTS = { headersTimeout: 5_000, bodyTimeout: 5_000 }
const FINAL: readonly string[] = ['succeeded', 'failed', 'dead', 'cancelled']

export function isFinal({ status }: CallStatus): boolean {
  return FINAL.includes(status)
}

/** Resolves when every call is final and its callback settled, or with what is known when aborted. */
export async function untilFinal(
  proxyUrl: string | (() => string),
  callIds: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, CallStatus>> {
  const dispatcher = new Agent({ connections: CONNECTIONS, ...TIMEOUTS })
  const statuses = new Map<string, CallStatus>(
    callIds.map(callId => [callId, { status: 'unknown', callback: 'unknown' }]),
  )
  let open = callIds
  while (open.length > 0 && !signal.aborted) {
    const rest = [...open]
    const still: string[] = []
    const askers = Array.from({ length: CONNECTIONS }, async () => {
      for (let callId = rest.pop(); callId !== undefined && !signal.aborted; callId = rest.pop()) {
        const known = await statusOf(
          `${typeof proxyUrl === 'string' ? proxyUrl : proxyUrl()}/calls/${callId}`,
          dispatcher,
        )
        if (known !== undefined) statuses.set(callId, known)
        if (known === undefined || !isFinal(known) || known.callback === 'pending') still.push(callId)
      }
    })
    await Promise.all(askers)
    open = still
    await delay(PAUSE_MS)
  }
  await dispatcher.destroy()
  return statuses
}

/** Undefined if currently unknown. */
async function statusOf(url: string, dispatcher: Agent): Promise<CallStatus | undefined> {
  try {
    const answer = await request(url, { dispatcher })
    const text = await answer.body.text()
    if (answer.statusCode === 404) return { status: 'not found', callback: 'unknown' }
    if (answer.statusCode !== 200) return undefined
    const { status, callback } = JSON.parse(text) as { status: string; callback?: { state: string } }
    return { status, callback: callback?.state ?? 'none' }
  } catch {
    return undefined // The proxy is restarting.
  }
}
