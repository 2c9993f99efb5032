/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): the headers `traceparent` and `tracestate`, parsed as
 * strictly as the standard asks, because what is accepted here is sent on.
 */

export interface TraceContext {
  /** 32 lower case hex digits. */
  readonly traceId: string
  /** 16 lower case hex digits: the parent of the receiver's span. */
  readonly spanId: string
  /** The bits of the standard that we know: `SAMPLED`, `RANDOM`. */
  readonly flags: number
  /** Data of other tracing systems; passed on unchanged. */
  readonly traceState?: string | undefined
}

export const SAMPLED = 1
/** At least 56 bits of the trace id are random (level 2 of the standard). */
export const RANDOM = 2
const KNOWN_FLAGS = SAMPLED | RANDOM

const TRACE_PARENT =
  /^[ \t]*(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?[ \t]*$/
const MAX_MEMBERS = 32
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/
/** More than the 512 characters that everyone must propagate; beyond that it is dropped. */
const MAX_STATE_LENGTH = 8_192

/**
 * @param tracestate header lines joined by commas
 * @returns undefined if there is no context or an invalid one: then a new trace starts
 */
export function parseTraceContext(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext | undefined {
  if (traceparent === undefined) return undefined
  const match = TRACE_PARENT.exec(traceparent)
  if (match === null || (match[1] === '00' && match[5] !== undefined)) return undefined
  const flags = parseInt(match[4]!, 16) & KNOWN_FLAGS
  const traceState = tracestate === undefined ? undefined : parseTraceState(tracestate)
  return { traceId: match[2]!, spanId: match[3]!, flags, traceState }
}

/** @returns its members without white space around them, or undefined if there are none or one of them is malformed */
export function parseTraceState(tracestate: string): string | undefined {
  if (tracestate.length > MAX_STATE_LENGTH) return undefined
  const members = tracestate
    .split(',')
    .map(member => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter(member => member !== '')
  if (members.length === 0 || members.length > MAX_MEMBERS) return undefined
  return members.every(member => MEMBER.test(member)) ? members.join(',') : undefined
}

export function formatTraceParent({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${flags}`
}

export function isSampled(context: TraceContext): boolean {
  return (context.flags & SAMPLED) !== 0
}
