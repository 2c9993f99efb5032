/** The metrics of all parts together: as one page for Prometheus, and as a history that the agent keeps itself. */
import { Counter, Gauge, Registry } from 'prom-client'
import { METRICS_PATH } from '@ryo-faas/runtime/protocol'
import type { CertificateView, ClusterView, MetricsHistory, PartView } from '../contract/index.ts'
import type { ColdStart, Deployer } from '../deployments/index.ts'
import { addProcessMetrics } from '../host/index.ts'
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
  supervisor: { views(): readonly PartView[] }
  /** The operator's token. */
  token: string
  proxy: {
    /** @throws if the proxy does not respond. */
    figures(): Promise<FunctionCounts[]>
  }
}

/** What runs functions, and knows of their instances. */
type Functions = Pick<Deployer, 'list' | 'ready' | 'proofTo'>

const DAY_MS = 86_400_000
const SAMPLE_EVERY_MS = 2_000
const HISTORY = { everyMs: SAMPLE_EVERY_MS, recent: 150, together: 5, windowMs: 30 * 60_000 }
const ANSWER_MS = 1_500
const PARTS_WITH_METRICS = /^(?:proxy|store|dispatcher(?:-\d+)?)$/
/** These show their metrics to the operator only. */
const PARTS_WITH_TOKEN = /^(?:proxy|store)$/

export class PlatformMetrics {
  /** The agent's own metrics. */
  readonly registry = new Registry()
  readonly #options: PlatformMetricsOptions
  readonly #scraper: Scraper
  readonly #history = new History({ ...HISTORY, upperMs: fineBucketUpperMs })
  readonly #functions: Functions[] = []
  readonly #coldStarts: Counter<'faas_name' | 'kind'>
  /** The same, for the history. */
  readonly #woken = new Map<string, number>()
  #isSampling = false

  constructor(options: PlatformMetricsOptions) {
    this.#options = options
    addProcessMetrics(this.registry)
    this.#coldStarts = new Counter({
      name: 'faas_coldstarts_total',
      help: 'Instances that were woken (thaw) or started (pool, new) for calls that waited',
      labelNames: ['faas_name', 'kind'],
      registers: [this.registry],
    })
    this.#scraper = new Scraper({ own: () => this.registry.metrics(), targets: async () => this.#targets() })
  }

  /** From here on their metrics are part of the page and of the history. */
  addFunctions(functions: Functions): void {
    this.#functions.push(functions)
    const instances = new Gauge({
      name: 'faas_instances',
      help: 'Instances of a function by state',
      labelNames: ['faas_name', 'state'],
      registers: [this.registry],
      collect: async () => {
        instances.reset()
        for (const view of await functions.list()) {
          for (const { state } of view.instances) instances.inc({ faas_name: view.name, state })
        }
      },
    })
  }

  /** From here on the page tells how long the certificates of HTTPS are good. */
  addCertificates(certificates: { readonly views: readonly CertificateView[] }): void {
    const daysLeft = new Gauge({
      name: 'faas_certificate_days_left',
      help: 'Days until the certificate of a host name ends; 0 or less: there is none that is good',
      labelNames: ['domain', 'source'],
      registers: [this.registry],
      collect: () => {
        daysLeft.reset()
        for (const { names, source, expiresAt } of certificates.views) {
          const days = expiresAt === undefined ? 0 : (Date.parse(expiresAt) - Date.now()) / DAY_MS
          for (const domain of names) daysLeft.set({ domain, source }, days)
        }
      },
    })
    const isFailing = new Gauge({
      name: 'faas_certificate_failing',
      help: '1 if the last attempt to get or renew the certificate of a host name by ACME failed, otherwise 0',
      labelNames: ['domain'],
      registers: [this.registry],
      collect: () => {
        isFailing.reset()
        for (const { names, source, problem } of certificates.views) {
          if (source === 'acme') for (const domain of names) isFailing.set({ domain }, problem === undefined ? 0 : 1)
        }
      },
    })
  }

  /** From here on the page tells which agent leads. */
  addCluster(cluster: { view(): ClusterView }): void {
    const leads = new Gauge({
      name: 'faas_leader',
      help: '1 for the agent that leads, 0 for those that stand by',
      labelNames: ['agent'],
      registers: [this.registry],
      collect: () => {
        leads.reset()
        // Two on one machine have one name.
        for (const { name, role } of cluster.view().agents) leads.inc({ agent: name }, role === 'leads' ? 1 : 0)
      },
    })
  }

  countColdStart(name: string, kind: ColdStart): void {
    this.#coldStarts.inc({ faas_name: name, kind })
    this.#woken.set(name, (this.#woken.get(name) ?? 0) + 1)
  }

  page(format: Format): Promise<{ contentType: string; body: string }> {
    return this.#scraper.page(format)
  }

  history(query: { since: number; function?: string | undefined }): MetricsHistory {
    return this.#history.view({ since: query.since, name: query.function })
  }

  /** Records the history until it is closed. */
  record(): { close(): void } {
    const timer = setInterval(() => void this.#sample(), SAMPLE_EVERY_MS).unref()
    void this.#sample()
    return { close: () => clearInterval(timer) }
  }

  #ready() {
    return this.#functions.flatMap(functions => functions.ready())
  }

  #targets(): Target[] {
    const parts = this.#options.supervisor
      .views()
      .flatMap(({ name, address }): Target[] =>
        PARTS_WITH_METRICS.test(name) && address !== undefined ? [this.#target(name, address)] : [],
      )
    const functions = this.#ready().flatMap(({ name, hasMetrics, instances }) =>
      instances.flatMap(({ id, state }): Target[] => {
        if (!hasMetrics || state.kind !== 'running') return []
        const { host, port } = state.address
        const proof = this.#functions[0]!.proofTo(id)
        return [
          { part: 'function', url: `http://${host}:${port}${METRICS_PATH}`, proof, function: { name, instance: id } },
        ]
      }),
    )
    return [...parts, ...functions]
  }

  #target(part: string, address: string): Target {
    const { token } = this.#options
    return { part, url: `http://${address}/metrics`, ...(PARTS_WITH_TOKEN.test(part) && { token }) }
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
      this.#options.proxy.figures().catch(() => undefined), // The proxy is away: a gap.
      pages(/^dispatcher/),
      pages(/^store$/),
    ])
    const ready = this.#ready()
    return {
      instances: new Map(ready.map(({ name, instances }) => [name, instances.length])),
      coldStarts: new Map(this.#woken),
      asleep: new Map(ready.map(({ name, frozen, desired }) => [name, { frozen, desired }])),
      ...(counts && { counts: new Map(counts.map(each => [each.displayName, callsOf(each)])) }),
      ...readDispatchers(dispatchers.filter(page => page !== undefined)),
      ...readStore(store),
    }
  }
}

function callsOf({ outcomes, errors, fine, inflight }: FunctionCounts): CallCounts {
  return { calls: outcomes.reduce((sum, n) => sum + n, 0), errors: failuresOf(errors), durations: fine, inflight }
}
