/**
 * The metrics of one function, kept as plain numbers: counting costs the hop some 0.1 µs where a prom-client counter
 * and histogram cost 2. `metrics.ts` shows them to Prometheus at scrape, `summary.ts` to people.
 *
 * Invariants: 1. Every invocation is counted exactly once, when it ends. 2. a snapshot is plain JSON, so that it can
 * cross processes and be added up.
 */

/** Upper bounds in seconds of the Prometheus histogram (OpenTelemetry's for HTTP durations, plus longer runs). */
export const DURATION_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300,
] as const

/** How an invocation ended: class of its status, or the client left before there was one. */
export const OUTCOMES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted'] as const
const ABORTED = OUTCOMES.length - 1

/** Fine buckets for percentiles: from 0.05 ms, each 2^(1/8) (9 %) wider than the one before, up to about an hour. */
const FINE_FROM_MS = 0.05
const FINE_PER_OCTAVE = 8
const FINE_COUNT = 210

/** A call that was counted in a bucket and whose trace is recorded (OpenMetrics, "Exemplars"). */
export interface Exemplar {
  traceId: string
  seconds: number
  /** Milliseconds since the epoch. */
  at: number
}

export interface FunctionFigures {
  /** Route. */
  name: string
  displayName: string
  inflight: number
  /** Invocations by `OUTCOMES`. */
  outcomes: number[]
  /** Invocations by `DURATION_BUCKETS`, not cumulative, the last one for all that took longer. */
  coarse: number[]
  /** The last one in each of those buckets. */
  exemplars: (Exemplar | null)[]
  fine: number[]
  sumSeconds: number
  timeouts: number
  errors: Record<string, number>
  /** Milliseconds since the epoch; 0 if there was none. */
  lastErrorAt: number
}

/** The metrics of one function for one kind of trigger. */
export interface FunctionSnapshot extends FunctionFigures {
  trigger: 'http' | 'async'
}

export class FunctionMetrics {
  inflight = 0
  private readonly outcomes = new Float64Array(OUTCOMES.length)
  private readonly coarse = new Float64Array(DURATION_BUCKETS.length + 1)
  private readonly fine = new Float64Array(FINE_COUNT)
  private readonly exemplars: (Exemplar | null)[] = Array.from({ length: DURATION_BUCKETS.length + 1 }, () => null)
  private readonly errors = new Map<string, number>()
  private sumSeconds = 0
  private timeouts = 0
  private lastErrorAt = 0

  /** @param status 0 if the client left before there was an answer. */
  record(status: number, durationMs: number, errorCode: string | undefined): void {
    this.outcomes[status === 0 ? ABORTED : Math.min((status / 100) | 0, 5) - 1]! += 1
    this.sumSeconds += durationMs / 1000
    this.coarse[coarseBucket(durationMs / 1000)]! += 1
    this.fine[fineBucket(durationMs)]! += 1
    if (errorCode !== undefined) this.recordError(errorCode)
  }

  /** Sets the exemplar trace for calls of this duration. */
  exemplify(durationMs: number, traceId: string): void {
    const seconds = durationMs / 1000
    this.exemplars[coarseBucket(seconds)] = { traceId, seconds, at: Date.now() }
  }

  snapshot(name: string, displayName: string): FunctionFigures {
    return {
      name,
      displayName,
      inflight: this.inflight,
      outcomes: [...this.outcomes],
      coarse: [...this.coarse],
      exemplars: [...this.exemplars],
      fine: [...this.fine],
      sumSeconds: this.sumSeconds,
      timeouts: this.timeouts,
      errors: Object.fromEntries(this.errors),
      lastErrorAt: this.lastErrorAt,
    }
  }

  private recordError(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
    if (code === 'CLIENT_ABORTED') return
    if (code === 'FUNCTION_TIMEOUT') this.timeouts += 1
    this.lastErrorAt = Date.now()
  }
}

function coarseBucket(seconds: number): number {
  let bucket = 0
  while (bucket < DURATION_BUCKETS.length && seconds > DURATION_BUCKETS[bucket]!) bucket += 1
  return bucket
}

function fineBucket(durationMs: number): number {
  if (durationMs <= FINE_FROM_MS) return 0
  return Math.min(FINE_COUNT - 1, Math.ceil(Math.log2(durationMs / FINE_FROM_MS) * FINE_PER_OCTAVE))
}

/** Upper bound in milliseconds of a fine bucket. */
export function fineBucketUpperMs(index: number): number {
  return FINE_FROM_MS * 2 ** (index / FINE_PER_OCTAVE)
}
