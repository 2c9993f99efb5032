/** The metrics of all parts together: as one page for Prometheus, and as a history that the agent keeps itself. */
import type { Registry } from 'prom-client'
import { METRICS_PATH } from '@ryo-faas/runtime/protocol'
import type { MetricsHistory, PartView } from '../contract/index.ts'
import type { Deployer } from '../deployments/index.ts'
import {
  fetchPage,
  History,
  readDispatchers,
  readStore,
  Scraper,
  type CallCounts,
  type Format,
  type Reading,
  type Target,
} from '../observability/metrics/index.ts'
import { failuresOf, fineBucketUpperMs, type FunctionCounts } from '../services/proxy/index.ts'

export interface PlatformMetricsOptions {
  /** The agent's own metrics. */
  registry: Registry
  parts: () => readonly PartView[]
  /** The operator's token, once there is one. */
  token: () => string | undefined
  deployer: () => Deployer | undefined
  /** @throws if the proxy does not respond. */
  figures: () => Promise<FunctionCounts[]>
}

const SAMPLE_EVERY_MS = 2_000
const HISTORY = { everyMs: SAMPLE_EVERY_MS, recent: 150, together: 5, windowMs: 30 * 60_000 }
const ANSWER_MS = 1_500
const PARTS_WITH_METRICS = /^(?:proxy|store|dispatcher(?:-\d+)?)$/
/** These show their metrics to the operator only. */
const PARTS_WITH_TOKEN = /^(?:proxy|store)$/

export class PlatformMetrics {
  readonly #options: PlatformMetricsOptions
  readonly #scraper: Scraper
  readonly #history = new History({ ...HISTORY, upperMs: fineBucketUpperMs })
  #timer: NodeJS.Timeout | undefined
  #isSampling = false

  constructor(options: PlatformMetricsOptions) {
    this.#options = options
    this.#scraper = new Scraper({ own: () => options.registry.metrics(), targets: async () => this.#targets() })
  }

  page(format: Format): Promise<{ contentType: string; body: string }> {
    return this.#scraper.page(format)
  }

  history(query: { since: number; function?: string | undefined }): MetricsHistory {
    return this.#history.view({ since: query.since, name: query.function })
  }

  /** Starts recording the history. */
  start(): void {
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_EVERY_MS).unref()
    void this.#sample()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #targets(): Target[] {
    const parts = this.#options
      .parts()
      .flatMap(({ name, address }): Target[] =>
        PARTS_WITH_METRICS.test(name) && address !== undefined ? [this.#target(name, address)] : [],
      )
    const functions = (this.#options.deployer()?.ready() ?? []).flatMap(({ name, instances }) =>
      instances.flatMap(({ id, state }): Target[] => {
        if (state.kind !== 'running') return []
        const { host, port } = state.address
        return [{ part: 'function', url: `http://${host}:${port}${METRICS_PATH}`, function: { name, instance: id } }]
      }),
    )
    return [...parts, ...functions]
  }

  #target(part: string, address: string): Target {
    const token = PARTS_WITH_TOKEN.test(part) ? this.#options.token() : undefined
    return { part, url: `http://${address}/metrics`, ...(token !== undefined && { token }) }
  }

  /** Skips a round while the previous one still runs. */
  async #sample(): Promise<void> {
    if (this.#isSampling) return
    this.#isSampling = true
    try {
      this.#history.add(await this.#read(), Date.now())
    } finally {
      this.#isSampling = false
    }
  }

  /** Functions are not asked: an unscraped one need not load its metrics code, and the proxy counts their calls. */
  async #read(): Promise<Reading> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const targets = this.#targets()
    const pages = (part: RegExp) =>
      Promise.all(targets.filter(target => part.test(target.part)).map(target => fetchPage(target, signal)))
    const [counts, dispatchers, [store]] = await Promise.all([
      this.#options.figures().catch(() => undefined), // The proxy is away: a gap.
      pages(/^dispatcher/),
      pages(/^store$/),
    ])
    const ready = this.#options.deployer()?.ready() ?? []
    return {
      instances: new Map(ready.map(({ name, instances }) => [name, instances.map(({ id }) => id)])),
      ...(counts && { counts: new Map(counts.map(each => [each.displayName, callsOf(each)])) }),
      ...readDispatchers(dispatchers.filter(page => page !== undefined)),
      ...readStore(store),
    }
  }
}

function callsOf({ outcomes, errors, fine, inflight }: FunctionCounts): CallCounts {
  return { calls: outcomes.reduce((sum, n) => sum + n, 0), errors: failuresOf(errors), durations: fine, inflight }
}
