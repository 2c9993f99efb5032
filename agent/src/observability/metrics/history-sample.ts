/** What was counted in a stretch of time. */

/** Figures of one function, in the time of its sample. */
export interface FunctionSample {
  calls: number
  errors: number
  /** Calls by number of the bucket of their duration. */
  durations: Map<number, number>
  inflight: number
  instances: number
  queueDepth: number
  dead: number
}

export interface HistorySample {
  /** Its end, milliseconds since the epoch. */
  t: number
  /** What the counts of functions stand for; 0: the proxy did not answer. */
  callsSpanMs: number
  functions: Map<string, FunctionSample>
  coldStarts: number
  storeOps: number
  /** 0: the store did not answer. */
  storeSpanMs: number
  relayLagEvents: number | null
  relayLagSeconds: number | null
  triggerLagEvents: number | null
}

export function zeroCounts(): FunctionSample {
  return { calls: 0, errors: 0, durations: new Map(), inflight: 0, instances: 0, queueDepth: 0, dead: 0 }
}
