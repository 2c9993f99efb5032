/** A relay with a connection of its own, in whatever thread: tells how far it is. */
import { type BusOptions, connectBus } from '../../../bus/index.ts'
import type { ChangeLog } from '../documents/index.ts'
import { Relay, type RelayPosition, type RelayState } from './relay.ts'

export interface RelayRunOptions {
  epoch: string
  nats: Pick<BusOptions, 'url' | 'user' | 'password'>
  saved: RelayPosition | undefined
}

export type RelayNews =
  { type: 'state'; state: RelayState; problem?: string } | { type: 'position'; position: RelayPosition }

export interface RelayRun {
  /** Rejects if it ends by itself. */
  started: Promise<void>
  close(): Promise<void>
}

/** Positions are told at this pace; the last one always is. */
const TELL_MS = 100

export function runRelay(
  log: ChangeLog,
  { epoch, nats, saved }: RelayRunOptions,
  tell: (news: RelayNews) => void,
): RelayRun {
  const stopping = new AbortController()
  let untold: RelayPosition | undefined
  let telling: NodeJS.Timeout | undefined
  const tellPosition = () => {
    clearTimeout(telling)
    telling = undefined
    if (untold !== undefined) tell({ type: 'position', position: untold })
    untold = undefined
  }
  const start = async () => {
    tell({ type: 'state', state: 'connecting' })
    const onFailure = ({ message }: Error) => tell({ type: 'state', state: 'connecting', problem: message })
    const bus = await connectBus({ ...nats, name: 'store', onFailure }, stopping.signal)
    const relay = new Relay({
      ...{ bus, log, epoch, saved },
      onPosition: position => {
        untold = position
        telling ??= setTimeout(tellPosition, TELL_MS)
      },
      onState: (state, problem) => tell({ type: 'state', state, ...(problem !== undefined && { problem }) }),
    })
    return { bus, relay }
  }
  const starting = start()
  return {
    started: starting.then(
      () => undefined,
      (error: unknown) => {
        if (!stopping.signal.aborted) throw error
      },
    ),
    close: async () => {
      stopping.abort()
      // A connection that was just about to be made is made first; none is, if there was no server.
      const running = await starting.catch(() => undefined)
      await running?.relay.close()
      tellPosition()
      await running?.bus.close()
    },
  }
}
