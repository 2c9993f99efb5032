/** The relay in a thread of its own, so that requests do not wait for it: reads the log there, tells how far it is. */
import os from 'node:os'
import type { MessagePort } from 'node:worker_threads'
import { connectBus, type BusOptions } from '../../../bus/index.ts'
import { openEnvironment, Reader } from '../engine/index.ts'
import { Relay, type RelayPosition, type RelayState } from './relay.ts'

/** `workerData` of the thread. */
export interface RelayThreadOptions {
  role: 'relay'
  path: string
  epoch: string
  nats: Pick<BusOptions, 'url' | 'user' | 'password'>
  saved: RelayPosition | undefined
}

export type RelayNews =
  | { type: 'state'; state: RelayState; problem?: string }
  | { type: 'position'; position: RelayPosition }
  | { type: 'idle'; through: number }

export type RelayOrder = 'wake' | 'close'

/** Positions are told at this pace; the last one always is. */
const TELL_MS = 100
/** A write that is waited for goes first when there are not enough cores for both. */
const NICENESS = 5

export function runRelayThread(port: MessagePort, { path, epoch, nats, saved }: RelayThreadOptions): void {
  yieldToOthers()
  const environment = openEnvironment(path)
  const reader = new Reader(environment)
  const stopping = new AbortController()
  const tell = (news: RelayNews) => port.postMessage(news)
  const positions = new PositionTeller(position => tell({ type: 'position', position }))
  let relay: Relay | undefined

  const start = async () => {
    tell({ type: 'state', state: 'connecting' })
    const onFailure = ({ message }: Error) => tell({ type: 'state', state: 'connecting', problem: message })
    const bus = await connectBus({ ...nats, name: 'store', onFailure }, stopping.signal)
    relay = new Relay({
      bus,
      epoch,
      saved,
      log: {
        read: options => {
          reader.refresh()
          return reader.readLog(options).entries
        },
        last: () => {
          reader.refresh()
          return reader.lastSequence()
        },
      },
      onPosition: position => positions.tell(position),
      onState: (state, problem) => tell({ type: 'state', state, ...(problem !== undefined && { problem }) }),
      onIdle: through => {
        positions.flush()
        tell({ type: 'idle', through })
      },
    })
    return bus
  }
  const started = start()
  started.catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error
  })

  const close = async () => {
    stopping.abort()
    // A connection that was just about to be made is made first; none is, if there was no server.
    const bus = await started.catch(() => undefined)
    await relay?.close()
    positions.flush()
    await bus?.close()
    await environment.root.close()
    port.close()
  }
  port.on('message', (order: RelayOrder) => {
    if (order === 'wake') relay?.wake()
    else void close()
  })
}

/** On Linux a thread has a niceness of its own; elsewhere it would be the whole process's. */
function yieldToOthers(): void {
  if (process.platform !== 'linux') return
  try {
    os.setPriority(0, NICENESS)
  } catch {
    // Not allowed here: it goes on as it is.
  }
}

class PositionTeller {
  private readonly send: (position: RelayPosition) => void
  private latest: RelayPosition | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(send: (position: RelayPosition) => void) {
    this.send = send
  }

  tell(position: RelayPosition): void {
    this.latest = position
    this.timer ??= setTimeout(() => this.flush(), TELL_MS)
  }

  flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.latest !== undefined) this.send(this.latest)
    this.latest = undefined
  }
}
