/**
 * The checker behind a worker thread, so that checking never holds up the agent. Invariants:
 *
 * 1. Requests are answered in order.
 * 2. A worker that dies (for instance out of memory) is replaced, and what it had not answered is asked once more; if that
 *    kills the next one too, the request fails.
 * 3. The worker keeps the process alive only while somebody waits for it.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { RyoFaasError } from '../../../contract/index.ts'
import type { CheckOutcome, CheckRequest, CheckService } from './check.ts'
import type { CheckerOptions } from './checker-options.ts'

const DEFAULT_MEMORY_MB = 1024

export interface CheckServiceOptions {
  /** Default: the declarations installed next to this package. */
  types?: CheckerOptions
  /** Heap of the worker; default 1024. */
  memoryMb?: number
  /** Module that the thread runs; default: our own next to this one. */
  entry?: URL
}

export interface WarmCheckService extends CheckService {
  /** Starts the worker and loads the compiler, so that the first check need not wait for them. */
  warmUp(): Promise<void>
}

export interface WorkerQuestion {
  id: number
  /** None: get warm. */
  requests: CheckRequest[]
}

export type WorkerAnswer = { id: number; outcomes: CheckOutcome[] } | { id: number; error: string }

export interface WorkerOptions {
  types: CheckerOptions | undefined
}

interface Pending extends WorkerQuestion {
  attempts: number
  fulfil(outcomes: CheckOutcome[]): void
  reject(error: Error): void
}

export function createCheckService(options: CheckServiceOptions = {}): WarmCheckService {
  return new WorkerCheckService(options)
}

class WorkerCheckService implements WarmCheckService {
  readonly #options: CheckServiceOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #lastId = 0
  #closed = false

  constructor(options: CheckServiceOptions) {
    this.#options = options
  }

  async warmUp(): Promise<void> {
    await this.#ask([])
  }

  async check(requests: CheckRequest[]): Promise<CheckOutcome[]> {
    return requests.length === 0 ? [] : this.#ask(requests)
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#worker = undefined
    this.#failAll(new RyoFaasError('CANCELLED', 'the checker is closed'))
    await worker?.terminate()
  }

  #ask(requests: CheckRequest[]): Promise<CheckOutcome[]> {
    if (this.#closed) return Promise.reject(new RyoFaasError('CANCELLED', 'the checker is closed'))
    return new Promise((fulfil, reject) => {
      const pending: Pending = { id: ++this.#lastId, requests, attempts: 0, fulfil, reject }
      this.#pending.set(pending.id, pending)
      this.#send(pending)
    })
  }

  #send(pending: Pending): void {
    this.#worker ??= this.#start()
    this.#worker.ref()
    pending.attempts++
    this.#worker.postMessage({ id: pending.id, requests: pending.requests } satisfies WorkerQuestion)
  }

  #start(): Worker {
    const worker = startWorker(this.#options)
    let reason: unknown
    worker.on('message', (answer: WorkerAnswer) => this.#settle(answer))
    worker.on('error', error => (reason = error))
    worker.on('exit', code => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      this.#replace(reason ?? new Error(`the checker's thread ended with ${code}`))
    })
    return worker
  }

  #settle(answer: WorkerAnswer): void {
    const pending = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if (this.#pending.size === 0) this.#worker?.unref()
    if ('outcomes' in answer) pending?.fulfil(answer.outcomes)
    else pending?.reject(new RyoFaasError('INTERNAL', `the checker failed: ${answer.error}`))
  }

  /** Only the oldest question can have killed the worker: it was the one being answered. */
  #replace(reason: unknown): void {
    const [oldest] = this.#pending.values()
    if (oldest && oldest.attempts > 1) {
      this.#pending.delete(oldest.id)
      oldest.reject(new RyoFaasError('INTERNAL', 'the checker died twice over this request', { cause: reason }))
    }
    for (const pending of this.#pending.values()) {
      if (pending !== oldest) pending.attempts = 0
      this.#send(pending)
    }
  }

  #failAll(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }
}

function startWorker({ types, memoryMb = DEFAULT_MEMORY_MB, entry }: CheckServiceOptions): Worker {
  const common = {
    name: 'checker',
    workerData: { types } satisfies WorkerOptions,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  }
  if (entry) return new Worker(entry, common)
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url), common)
  return new Worker(sourceEntry(), { ...common, execArgv: ['--conditions=source'] })
}

/**
 * Run from source (tests, development): Node 20 has to be taught TypeScript first, and a thread does not take that over
 * from `--import`. With the condition `source` our packages resolve to their sources.
 */
function sourceEntry(): URL {
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm/api')).href
  const worker = new URL('./worker.ts', import.meta.url).href
  const code = `import { register } from ${JSON.stringify(loader)}; register(); await import(${JSON.stringify(worker)})`
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`)
}
