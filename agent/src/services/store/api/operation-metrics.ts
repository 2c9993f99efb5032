/**
 * How many operations there were and how long they took, as plain numbers: per request this costs a tenth of a
 * prom-client histogram. Shown at scrape by `metrics.ts`.
 */
export const OPERATIONS = [
  'create', 'get', 'put', 'patch', 'delete', 'query', 'batch', 'changes', 'import', 'export', 'admin',
] as const // prettier-ignore
export type Operation = (typeof OPERATIONS)[number]

/** By status: done, missing or changed, the caller's error, our error. */
export const OUTCOMES = ['ok', 'conflict', 'invalid', 'failed'] as const

/** Upper bounds in seconds. */
export const DURATION_BUCKETS = [
  0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const

export interface OperationFigures {
  operation: Operation
  outcomes: readonly number[]
  /** By `DURATION_BUCKETS`, not cumulative; the last for all that took longer. */
  buckets: readonly number[]
  sumSeconds: number
}

export class OperationMetrics {
  readonly #outcomes = new Float64Array(OPERATIONS.length * OUTCOMES.length)
  readonly #buckets = new Float64Array(OPERATIONS.length * (DURATION_BUCKETS.length + 1))
  readonly #sums = new Float64Array(OPERATIONS.length)

  record(operation: Operation, status: number, durationMs: number): void {
    const row = OPERATIONS.indexOf(operation)
    this.#outcomes[row * OUTCOMES.length + outcomeOf(status)]! += 1
    const seconds = durationMs / 1_000
    let bucket = 0
    while (bucket < DURATION_BUCKETS.length && seconds > DURATION_BUCKETS[bucket]!) bucket += 1
    this.#buckets[row * (DURATION_BUCKETS.length + 1) + bucket]! += 1
    this.#sums[row]! += seconds
  }

  figures(): OperationFigures[] {
    return OPERATIONS.map((operation, row) => ({
      operation,
      outcomes: [...this.#outcomes.subarray(row * OUTCOMES.length, (row + 1) * OUTCOMES.length)],
      buckets: [
        ...this.#buckets.subarray(row * (DURATION_BUCKETS.length + 1), (row + 1) * (DURATION_BUCKETS.length + 1)),
      ],
      sumSeconds: this.#sums[row]!,
    }))
  }
}

function outcomeOf(status: number): number {
  if (status < 400) return 0
  if (status >= 500) return 3
  return status === 404 || status === 409 || status === 412 ? 1 : 2
}
