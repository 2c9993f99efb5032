/** The request of a delivered call, with its body from wherever it is stored. */
import { BusError, type Bus } from '../../../bus/index.ts'
import { decodeCall, getBody, isFinal, readState, type CallHead } from '../../../calls/index.ts'
import type { RunningCall } from './running-calls.ts'

export interface CallRequest {
  head: CallHead
  body: Buffer
  /** The body is gone because the call is final: it must not run. */
  isOver?: boolean
}

/** A call that cannot be run: its message is unreadable, its body is gone, or it was refused before. */
export class UnrunnableError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** @throws UnrunnableError, BusError UNAVAILABLE */
export async function readRequest(bus: Bus, { delivery, callId }: RunningCall): Promise<CallRequest> {
  if (delivery.refusal !== undefined) throw new UnrunnableError(delivery.refusal.code, delivery.refusal.message)
  let head: CallHead
  let body: Uint8Array
  try {
    ;({ head, body } = decodeCall(delivery.data))
  } catch (error) {
    throw new UnrunnableError('MALFORMED_CALL', `the message of ${callId} is not a call: ${(error as Error).message}`)
  }
  if (head.bodyRef === undefined) return { head, body: body as Buffer }
  try {
    return { head, body: await getBody(bus, head.bodyRef, head.bodyBytes) }
  } catch (error) {
    if (!(error instanceof BusError) || error.code !== 'REFUSED') throw error
    // The body of a finished or cancelled call is removed.
    if (isFinal((await readState(bus, callId))?.state.status ?? 'queued')) {
      return { head, body: Buffer.alloc(0), isOver: true }
    }
    throw new UnrunnableError('BODY_LOST', error.message)
  }
}
