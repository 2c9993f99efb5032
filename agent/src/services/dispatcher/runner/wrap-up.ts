/**
 * What follows from a final state, and only from it: the dead letter, the callback, the removal of a long body.
 *
 * Invariant: it may be repeated at any time. A dead letter replaces itself, a callback is stored once per round
 * of a call, and the callback worker does not send delivered ones.
 */
import { subjectOf, type Bus } from '../../../bus/index.ts'
import {
  decodeCall,
  encodeEnvelope,
  INLINE_BODY_BYTES,
  putBody,
  removeBody,
  type CallHead,
  type CallState,
} from '../../../calls/index.ts'
import { queueCallback } from '../callbacks/index.ts'

export interface FinalCall {
  state: CallState
  /** Undefined if the message was unreadable. */
  head: CallHead | undefined
  /** The call's message. */
  data: Uint8Array
  /** As the user wrote it. */
  functionName: string
}

/** @throws BusError */
export async function wrapUp(bus: Bus, call: FinalCall): Promise<void> {
  const { state, head, data } = call
  if (state.status === 'dead') await keepDeadLetter(bus, state.id, data)
  if (state.status !== 'cancelled' && state.callback?.state === 'pending') await queueCallback(bus, state, call)
  if (state.status !== 'dead' && head?.bodyRef !== undefined) await removeBody(bus, head.bodyRef)
}

/** A document event may be longer than a message; its body is then stored separately, like that of a call. */
async function keepDeadLetter(bus: Bus, callId: string, data: Uint8Array): Promise<void> {
  const subject = subjectOf('dead', callId)
  const { head, body } = decodeCall(data)
  if (head.bodyRef !== undefined || body.length <= INLINE_BODY_BYTES) return void (await bus.publish(subject, data))
  const bodyRef = await putBody(bus, { kind: 'body', callId }, body)
  await bus.publish(subject, encodeEnvelope({ ...head, bodyRef }, new Uint8Array()))
}
