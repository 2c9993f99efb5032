/**
 * Trace ids in a line of a log: the proxy makes request ids of 32 hex digits that are trace ids too. They are in `[…]`, or
 * in what the runtime says of a failure: `Invocation <id> of hello failed`.
 */
const TRACE = /\[(?:\S+ trace=)?([0-9a-f]{32})\]|\bInvocation ([0-9a-f]{32})\b/g

export interface FoundTrace {
  id: string
  /** Of the id in the line. */
  start: number
  end: number
}

export function traceIdsIn(line: string): FoundTrace[] {
  return [...line.matchAll(TRACE)].map(match => {
    const id = (match[1] ?? match[2])!
    const start = match.index + match[0].lastIndexOf(id)
    return { id, start, end: start + id.length }
  })
}
