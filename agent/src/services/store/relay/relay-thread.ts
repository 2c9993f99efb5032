/** A relay with a connection of its own: in a thread, so that requests do not wait for it, or in the store's. */
import os from 'node:os'
import type { MessagePort } from 'node:worker_threads'
import { type BusAccess, connectBus } from '../../../bus/index.ts'
import type { ChangeLog, LogHandle, OpenLog } from '../documents/index.ts'
import { Relay, type RelayPosition, type RelayState } from './relay.ts'

export interface RelayRunOptions {
  epoch: string
  nats: BusAccess
  saved: RelayPosition | undefined
}

/** `workerData` of the thread. */
export interface RelayThread extends RelayRunOptions {
  role: 'relay'
  log: LogHandle
}

export type RelayNews =
  { type: 'state'; state: RelayState; problem?: string } | { type: 'position'; position: RelayPosition }

/** Positions are told at this pace; the last one always is. */
const TELL_MS = 100
/** A write that is waited for goes first when there are not enough cores for both. */
const NICENESS = 5

/** @returns `started`, which rejects if it cannot start, and how to end it */
export function runRelay(log: ChangeLog, { epoch, nats, saved }: RelayRunOptions, tell: (news: RelayNews) => void) {
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

/** @param port there go `RelayNews`; the first message from there ends it */
export function runRelayThread(
  port: MessagePort,
  { log: handle, ...options }: RelayThread,
  openLog: (handle: LogHandle) => OpenLog,
): void {
  yieldToOthers()
  const log = openLog(handle)
  // One that fails to start ends the thread, which is started again.
  const { close } = runRelay(log, options, news => port.postMessage(news))
  port.once(
    'message',
    () =>
      void close()
        .then(() => log.close())
        .then(() => port.close()),
  )
}

/** On Linux a thread has a niceness of its own; elsewhere it would be the whole process's. */
function yieldToOthers(): void {
  if (process.platform !== 'linux') return
  try {
    os.setPriority(0, NICENESS)
  } catch {
    // Not allowed here: continue without it.
  }
}
