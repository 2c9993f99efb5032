/** The store's log as the operator reads it. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import type { StoreFetch } from '../support/platform.ts'
import type { Happened } from './documents-under-fire.ts'

export interface LoggedEvent extends Happened {
  sequence: number
}

const READ_MS = 30_000

/** From the first event to the current last one. */
export async function readLog(store: StoreFetch): Promise<LoggedEvent[]> {
  const { last } = (await (await store('/log')).json()) as { last: number }
  const events: LoggedEvent[] = []
  if (last === 0) return events
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(READ_MS)])
  const response = await store('/changes?since=0', { signal })
  let rest = ''
  const decoder = new TextDecoder()
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    const blocks = (rest + decoder.decode(piece, { stream: true })).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const data = block.split('\n').find(line => line.startsWith('data: '))
      if (data !== undefined) events.push(loggedEvent(JSON.parse(data.slice(6)) as DocumentCloudEvent))
    }
    if ((events.at(-1)?.sequence ?? 0) >= last) break
  }
  ended.abort()
  return events
}

function loggedEvent({ sequence, data: { id, version, kind } }: DocumentCloudEvent): LoggedEvent {
  return { sequence: Number(sequence), id, version, kind }
}
