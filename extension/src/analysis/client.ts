/**
 * The analysis worker as the editor sees it. Invariants:
 *
 * 1. There is no worker before the first question, nor after a while without questions.
 * 2. A worker that dies is replaced at the next question; what it had not answered fails.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Answer, CheckAnswer, HeapAnswer, Outline, Question, Subject, WorkerSetup } from './protocol.ts'

const HEAP_LIMIT_MB = 1024
const IDLE_MS = 10 * 60_000

export interface AnalysisOptions {
  /** Called when a worker is started. */
  setup(): WorkerSetup
  /** The worker's module. */
  entry: URL
  execArgv?: string[]
  idleMs?: number
  /** Called when a worker dies on its own. */
  onFailure(error: Error): void
}

type Asked = Question extends infer One ? (One extends unknown ? Omit<One, 'id'> : never) : never

interface Pending {
  fulfil(result: unknown): void
  reject(error: Error): void
}

export class Analysis {
  readonly #options: AnalysisOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #idleTimer: NodeJS.Timeout | undefined
  #lastId = 0
  #closed = false

  constructor(options: AnalysisOptions) {
    this.#options = options
  }

  /** Whether a worker is running. */
  get isRunning(): boolean {
    return this.#worker !== undefined
  }

  outline(file: string, text: string): Promise<Outline> {
    return this.#ask({ type: 'outline', file, text }) as Promise<Outline>
  }

  check(file: string, text: string | undefined, subjects: Subject[]): Promise<CheckAnswer> {
    return this.#ask({ type: 'check', file, text, subjects }) as Promise<CheckAnswer>
  }

  /** Drops what is kept for a file that was closed. */
  forget(file: string): void {
    if (this.#worker) void this.#ask({ type: 'forget', file }).catch(() => undefined) // A dead worker keeps nothing.
  }

  /** Memory in use, after a garbage collection if the worker may collect. */
  async heap(): Promise<HeapAnswer> {
    return (await this.#ask({ type: 'heap' })) as HeapAnswer
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#end(new Error('the analysis is closed'))
  }

  #ask(question: Asked): Promise<unknown> {
    if (this.#closed) return Promise.reject(new Error('the analysis is closed'))
    const id = ++this.#lastId
    return new Promise((fulfil, reject) => {
      this.#pending.set(id, { fulfil, reject })
      this.#worker ??= this.#start()
      clearTimeout(this.#idleTimer)
      this.#worker.postMessage({ ...question, id })
    })
  }

  #start(): Worker {
    const { entry, execArgv, setup, onFailure } = this.#options
    const worker = new Worker(entry, {
      name: 'ryo-faas analysis',
      workerData: setup(),
      resourceLimits: { maxOldGenerationSizeMb: HEAP_LIMIT_MB },
      ...(execArgv && { execArgv }),
    })
    let reason: Error | undefined
    worker.on('message', (answer: Answer) => this.#settle(answer))
    worker.on('error', error => (reason = error))
    worker.on('exit', code => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      const error = reason ?? new Error(`the analysis worker ended with ${code}`)
      this.#fail(error)
      onFailure(error)
    })
    worker.unref()
    return worker
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if ('error' in answer) pending?.reject(new Error(answer.error))
    else pending?.fulfil(answer.result)
    if (this.#pending.size > 0) return
    clearTimeout(this.#idleTimer)
    this.#idleTimer = setTimeout(() => void this.#end(new Error('idle')), this.#options.idleMs ?? IDLE_MS).unref()
  }

  async #end(reason: Error): Promise<void> {
    clearTimeout(this.#idleTimer)
    const worker = this.#worker
    this.#worker = undefined
    this.#fail(reason)
    await worker?.terminate()
  }

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }
}

/** Where the declarations are that the checker measures by: in the extension, or in the checkout it is developed in. */
export function installedTypes(extensionPath: string): WorkerSetup['types'] {
  const find = (path: string): string => {
    for (let folder = join(extensionPath, 'dist'); ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', path)
      if (existsSync(candidate)) return candidate
      if (folder === dirname(folder))
        throw new Error(`the extension does not contain ${path}: it was not packed completely`)
    }
  }
  return { runtimeTypes: find('@ryo-faas/runtime/dist/index.d.ts'), nodeTypes: find('@types/node/index.d.ts') }
}
