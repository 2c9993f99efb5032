/** What was counted in one interval. */

/** Numbers of one function in the interval. */
export interface FunctionSample {
  calls: number
  errors: number
  /** Calls by duration bucket. */
  durations: Map<number, number>
  inflight: number
  instances: number
  frozen: number
  desired: number
  coldStarts: number
  queueDepth: number
  dead: number
}

export interface HistorySample {
  /** End of the interval, milliseconds since the epoch. */
  t: number
  /** Time that the counts of functions cover; 0: the proxy did not respond. */
  callsSpanMs: number
  functions: Map<string, FunctionSample>
  storeOps: number
  /** 0: the store did not respond. */
  storeSpanMs: number
  relayLagEvents: number | null
  relayLagSeconds: number | null
  triggerLagEvents: number | null
}

export function zeroCounts(): FunctionSample {
  const instances = { instances: 0, frozen: 0, desired: 0, coldStarts: 0 }
  return { calls: 0, errors: 0, durations: new Map(), inflight: 0, ...instances, queueDepth: 0, dead: 0 }
}
