/**
 * Runs commands in a thread of their own: while it waits for the disk, requests are read and answered here. What is
 * given within one turn of the event loop travels together, in pieces that keep both threads busy.
 */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { StoreError } from '@ryo-faas/runtime/documents'
import type { StoreThread } from '../documents/index.ts'
import { startThread } from '../start-thread.ts'
import type { Answer, Command } from './commands.ts'
import { KIND } from './data-folder.ts'
import { WaitingCommands, type Executor, type OnCommitted } from './executor.ts'
import { packCommands, unpackAnswers, type PackedAnswers } from './packing.ts'

/** `workerData` of the thread. */
export interface WriterThread extends StoreThread {
  path: string
  source: string
}

/** What the thread tells of a commit. */
export interface CommittedMessage {
  answers: PackedAnswers
  /** Sequence of the last event in the log. */
  sequence: number
}

export interface ThreadExecutorOptions {
  /** Module that the thread runs; it passes `workerData` to `runStoreThread`. */
  entry: URL
  path: string
  source: string
  onCommitted: OnCommitted
  /** The thread ended on its own: no more writes are possible. */
  onFailure: (error: Error) => void
}

/** Commands that are sent at once, without waiting for the end of the turn. */
const PIECE = 16

export class ThreadExecutor implements Executor {
  readonly #worker: Worker
  readonly #waiting: WaitingCommands
  readonly #gone: Promise<void>
  #piece: Command[] = []
  #scheduled: NodeJS.Immediate | undefined
  #isClosed = false

  private constructor(options: ThreadExecutorOptions, worker: Worker) {
    this.#worker = worker
    this.#waiting = new WaitingCommands(options.onCommitted)
    this.#gone = new Promise(resolve => worker.once('exit', () => resolve()))
    worker.on('message', ({ answers, sequence }: CommittedMessage) => {
      // The writer has nothing to do now; to tell of what it did takes longer than to give it more.
      this.#send()
      this.#waiting.settle({ answers: unpackAnswers(answers), sequence })
    })
    const failed = (error: Error) => {
      this.#isClosed = true
      this.#waiting.fail(new StoreError('STORAGE_FAILED', 'the store can no longer write', { cause: error }))
      options.onFailure(error)
    }
    worker.on('error', failed)
  }

  /** Resolves once the thread has opened the environment. */
  static async start(options: ThreadExecutorOptions): Promise<ThreadExecutor> {
    const { entry, path, source } = options
    const workerData: WriterThread = { role: 'store', kind: KIND, path, source }
    const worker = startThread(entry, { workerData, name: 'store-writer' })
    // Not `removeAllListeners`: the worker's own are among them, and it would no longer hear anything.
    await once(worker, 'message')
    return new ThreadExecutor(options, worker)
  }

  execute(command: Command): Promise<Answer> {
    if (this.#isClosed) throw new StoreError('SHUTTING_DOWN', 'the store is closed')
    const answer = this.#waiting.add(command)
    this.#piece.push(command)
    if (this.#piece.length >= PIECE) this.#send()
    else this.#scheduled ??= setImmediate(() => this.#send())
    return answer
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#send()
      this.#worker.postMessage('close')
    }
    await this.#gone
    this.#waiting.flush()
  }

  #send(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    if (this.#piece.length === 0) return
    this.#worker.postMessage(packCommands(this.#piece))
    this.#piece = []
  }
}
