/**
 * The checker in a process of its own, so that checking never blocks the agent, and the compiler's memory (hundreds of
 * megabytes, which a thread would not return) is freed when nobody deploys. Invariants:
 *
 * 1. Requests are answered in order.
 * 2. A process that dies (for instance out of memory) is replaced, and what it had not answered is retried once; if
 *    that kills the next one too, the request fails.
 * 3. It keeps the agent's process alive only while a request is pending, and ends when the agent does.
 * 4. It ends after `idleMs` without a request; the next request starts another.
 */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { RyoFaasError } from '../../../contract/index.ts'
import type { CheckOutcome, CheckRequest, CheckService } from './check.ts'
import type { CheckerOptions } from './checker-options.ts'
import type { CompileRequest } from './compile-request.ts'

const DEFAULT_MEMORY_MB = 1024
const DEFAULT_IDLE_MS = 15 * 60_000

export interface CheckServiceOptions {
  /** Default: the declarations installed next to this package. */
  types?: CheckerOptions
  /** Heap of the process; default 1024. */
  memoryMb?: number
  /** Default: 15 minutes. */
  idleMs?: number
  /** Module that the process runs; default: our own next to this one. */
  entry?: URL
}

export interface WarmCheckService extends CheckService {
  /** Compiles a file with decorators, see `compile.ts`. */
  compile(request: CompileRequest): Promise<string>
  /** Starts the process and loads the compiler, so that the first check does not wait for them. */
  warmUp(): Promise<void>
}

export interface CheckerQuestion {
  id: number
  /** Empty: warm up. */
  requests: CheckRequest[]
  /** Instead of checking. */
  compile?: CompileRequest
}

export type CheckerAnswer =
  { id: number; outcomes: CheckOutcome[] } | { id: number; code: string } | { id: number; error: string }

interface Pending extends CheckerQuestion {
  attempts: number
  fulfil(answer: CheckerAnswer): void
  reject(error: Error): void
}

export function createCheckService(options: CheckServiceOptions = {}): WarmCheckService {
  return new ProcessCheckService(options)
}

class ProcessCheckService implements WarmCheckService {
  readonly #options: CheckServiceOptions
  readonly #pending = new Map<number, Pending>()
  #process: ChildProcess | undefined
  #idle: NodeJS.Timeout | undefined
  #lastId = 0
  #closed = false

  constructor(options: CheckServiceOptions) {
    this.#options = options
  }

  async warmUp(): Promise<void> {
    await this.#check([])
  }

  async check(requests: CheckRequest[]): Promise<CheckOutcome[]> {
    return requests.length === 0 ? [] : this.#check(requests)
  }

  async compile(compile: CompileRequest): Promise<string> {
    const answer = await this.#ask({ requests: [], compile })
    return 'code' in answer ? answer.code : ''
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#failAll(new RyoFaasError('CANCELLED', 'the checker is closed'))
    await this.#end()
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle)
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.ref() // Otherwise our process could end while a request waits.
    child.kill('SIGKILL') // It has nothing to clean up.
    await ended
  }

  async #check(requests: CheckRequest[]): Promise<CheckOutcome[]> {
    const answer = await this.#ask({ requests })
    return 'outcomes' in answer ? answer.outcomes : []
  }

  #ask(question: Omit<CheckerQuestion, 'id'>): Promise<CheckerAnswer> {
    if (this.#closed) return Promise.reject(new RyoFaasError('CANCELLED', 'the checker is closed'))
    return new Promise((fulfil, reject) => {
      const pending: Pending = { id: ++this.#lastId, ...question, attempts: 0, fulfil, reject }
      this.#pending.set(pending.id, pending)
      this.#send(pending)
    })
  }

  #send(pending: Pending): void {
    clearTimeout(this.#idle)
    this.#process ??= this.#start()
    this.#process.ref()
    this.#process.channel?.ref()
    pending.attempts++
    const { id, requests, compile } = pending
    const question: CheckerQuestion = { id, requests, ...(compile && { compile }) }
    // A process that is exiting cannot be asked; its exit handler retries.
    this.#process.send(question, () => undefined)
  }

  #start(): ChildProcess {
    const child = startProcess(this.#options)
    child.on('message', (answer: CheckerAnswer) => this.#settle(answer))
    let isOver = false
    const over = (reason: string, cause?: unknown) => {
      if (isOver || this.#process !== child) return
      isOver = true
      this.#process = undefined
      this.#replace(new Error(reason, { cause }))
    }
    child.on('error', error => over('the checker could not be started or reached', error))
    child.on('exit', (code, signal) => over(exitReason(code, signal)))
    return child
  }

  #settle(answer: CheckerAnswer): void {
    const pending = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if (this.#pending.size === 0) this.#rest()
    if ('error' in answer) pending?.reject(new RyoFaasError('INTERNAL', `the checker failed: ${answer.error}`))
    else pending?.fulfil(answer)
  }

  #rest(): void {
    this.#process?.unref()
    this.#process?.channel?.unref()
    this.#idle = setTimeout(() => void this.#end(), this.#options.idleMs ?? DEFAULT_IDLE_MS).unref()
  }

  /** Only the oldest request can have killed the process: it was the current one. */
  #replace(reason: unknown): void {
    const [oldest] = this.#pending.values()
    if (oldest && oldest.attempts > 1) {
      this.#pending.delete(oldest.id)
      oldest.reject(new RyoFaasError('INTERNAL', 'the checker died twice on this request', { cause: reason }))
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

function startProcess({ types, memoryMb = DEFAULT_MEMORY_MB, entry }: CheckServiceOptions): ChildProcess {
  const args = types === undefined ? [] : [JSON.stringify(types)]
  const heap = `--max-old-space-size=${memoryMb}`
  // Its last words would be noise in our output, which may be JSON: the exit says enough.
  const options: ForkOptions = { serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }
  if (entry) return fork(entry, args, { ...options, execArgv: [heap] })
  const isSource = import.meta.url.endsWith('.ts')
  const own = fileURLToPath(new URL(`./checker-main.${isSource ? 'ts' : 'js'}`, import.meta.url))
  return fork(own, args, { ...options, execArgv: [heap, ...(isSource ? fromSource() : [])] })
}

/** Tests and development: Node 20 needs a loader for TypeScript, and our packages resolve to their sources. */
function fromSource(): string[] {
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm')).href
  return ['--conditions=source', '--import', loader]
}

function exitReason(code: number | null, signal: NodeJS.Signals | null): string {
  // V8 aborts when its heap limit is reached, and for hardly any other reason.
  if (signal === 'SIGABRT' || code === 134) return 'the checker ran out of memory'
  return `the checker exited with ${signal ?? code}`
}
