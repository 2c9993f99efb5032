/** Following calls as they change. */
import { CallStatus, type CallView } from '../contract/index.ts'
import { type Bus, BusError, callIdOfSubject, parseCallId, STATUS_HEADER, subjectOf, subjectsOf } from '../bus/index.ts'
import { isFinal } from './call-state.ts'
import { getCall } from './call-view.ts'

/** Reads again after this time even if nothing was heard: messages of core subjects may be missed. */
const LOOK_AGAIN_MS = 5_000

/**
 * The call now, and again after each change, until it is final. Changes in quick succession may come as one.
 * @throws BusError UNAVAILABLE if the bus is down at the start; later it waits
 */
export async function* watchCall(bus: Bus, callId: string, signal: AbortSignal): AsyncGenerator<CallView> {
  const alarm = new Alarm()
  const stopListening = bus.listen(subjectOf('changed', callId), () => alarm.ring())
  const removeListener = bus.onReconnect(() => alarm.ring())
  const onAbort = () => alarm.ring()
  signal.addEventListener('abort', onAbort)
  try {
    let shown = ''
    for (let view = await getCall(bus, callId); view !== undefined; view = await unlessAway(bus, callId, view)) {
      const text = JSON.stringify(view)
      if (text !== shown) yield view
      shown = text
      if (isFinal(view.status) || signal.aborted) return
      await alarm.wait(LOOK_AGAIN_MS)
      if (signal.aborted) return
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    removeListener()
    stopListening()
  }
}

async function unlessAway(bus: Bus, callId: string, last: CallView): Promise<CallView | undefined> {
  try {
    return await getCall(bus, callId)
  } catch (error) {
    if (error instanceof BusError && error.code === 'UNAVAILABLE') return last
    throw error
  }
}

export interface CallEvent {
  id: string
  function: string
  status: CallStatus
}

/** Every change of every call of a function, or of all; changes are missed while the bus is down. */
export function watchCalls(bus: Bus, route: string | undefined, onEvent: (event: CallEvent) => void): () => void {
  const tell = (subject: string, status: string) => {
    const id = callIdOfSubject(subject)
    onEvent({ id, function: parseCallId(id)!.route, status: CallStatus.parse(status) })
  }
  const stops = [
    bus.listen(subjectsOf('accepted', route), ({ subject }) => tell(subject, 'queued')),
    bus.listen(subjectsOf('changed', route), message => tell(message.subject, message.header(STATUS_HEADER) ?? '')),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** Wakes the current waiter, or the next one. */
class Alarm {
  private hasRung = false
  private wake: (() => void) | undefined

  ring(): void {
    this.hasRung = true
    this.wake?.()
  }

  async wait(atMostMs: number): Promise<void> {
    if (!this.hasRung) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.wake = resolve
        timer = setTimeout(resolve, atMostMs)
      })
      clearTimeout(timer)
      this.wake = undefined
    }
    this.hasRung = false
  }
}
