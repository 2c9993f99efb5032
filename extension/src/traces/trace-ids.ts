/** Trace ids in a line of a log: the proxy makes request ids of 32 hex digits that are trace ids too. */
const TRACE = /\[(?:\S+ trace=)?([0-9a-f]{32})\]/g

export interface FoundTrace {
  id: string
  /** Of the id in the line. */
  start: number
  end: number
}

export function traceIdsIn(line: string): FoundTrace[] {
  return [...line.matchAll(TRACE)].map(match => {
    const start = match.index + match[0].lastIndexOf(match[1]!)
    return { id: match[1]!, start, end: start + match[1]!.length }
  })
}
