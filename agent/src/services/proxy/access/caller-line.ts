/** How a function is told who called it. */
import type { Caller } from '@ryo-faas/runtime'
import { HEADERS } from '@ryo-faas/runtime/protocol'

/** Without the claims of a token, which the function gets with the token itself. */
export type CallerToTell = Exclude<Caller, { kind: 'jwt' }> | Omit<Extract<Caller, { kind: 'jwt' }>, 'claims'>

/** One caller calls often. */
const values = new WeakMap<CallerToTell, string>()

/** Value of the header. */
export function callerValue(caller: CallerToTell): string {
  let value = values.get(caller)
  if (value === undefined) {
    value = encodeURIComponent(JSON.stringify(caller))
    values.set(caller, value)
  }
  return value
}

/** The whole header line. */
export function callerLine(value: string): string {
  return `${HEADERS.caller}: ${value}\r\n`
}
