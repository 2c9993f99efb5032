/**
 * Takes commands to where they are run. Invariants: 1. Commands are run in the order in which they were given. 2. A
 * command is answered after it is on disk. 3. The queue is bounded: beyond that commands are refused with BUSY.
 */
import { StoreError } from '@ryo-faas/runtime/documents'
import type { WriteOperation } from '../documents/index.ts'
import { Background } from './background.ts'
import type { Answer, Command, Committed } from './commands.ts'
import type { CommandRunner } from './command-runner.ts'
import type { Writer } from './writer.ts'

export interface Executor {
  /** @throws StoreError BUSY, SHUTTING_DOWN */
  execute(command: Command): Promise<Answer>
  /** Finishes what was given. */
  close(): Promise<void>
}

/** Told of each commit before those that wait for it are. */
export type OnCommitted = (sequence: number) => void

const MOST_WAITING = 20_000
/** UTF-16 units of all texts that wait. */
const MOST_TEXT = 64 * 1024 * 1024
/**
 * Answers that go out before requests are read again. All at once would have this thread and the writer take turns: one
 * has nothing to do while the other is busy.
 */
const TOLD_AT_ONCE = 16

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
  textLength: number
}

/** What was given and is not answered, in order. */
export class WaitingCommands {
  readonly #waiting: Waiting[] = []
  #first = 0
  #textLength = 0
  readonly #answers: Answer[] = []
  #telling: NodeJS.Immediate | undefined
  readonly #onCommitted: OnCommitted

  constructor(onCommitted: OnCommitted) {
    this.#onCommitted = onCommitted
  }

  /** @throws StoreError BUSY */
  add(command: Command): Promise<Answer> {
    if (this.#waiting.length - this.#first >= MOST_WAITING || this.#textLength >= MOST_TEXT) {
      throw new StoreError('BUSY', 'more writes wait than the store holds')
    }
    const textLength = lengthOf(command)
    this.#textLength += textLength
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, textLength }))
  }

  /** The first of them were answered. They are told so in pieces, which lets new ones come in. */
  settle({ answers, sequence }: Committed): void {
    this.#onCommitted(sequence)
    this.#answers.push(...answers)
    if (this.#telling === undefined) this.#tell(TOLD_AT_ONCE)
  }

  /** Tells at once what is left to tell. */
  flush(): void {
    this.#tell(Infinity)
  }

  /** Rejects those that were not answered. */
  fail(error: Error): void {
    this.flush()
    const waiting = this.#waiting.splice(0).slice(this.#first)
    this.#first = 0
    this.#textLength = 0
    for (const { reject } of waiting) reject(error)
  }

  #tell(most: number): void {
    clearImmediate(this.#telling)
    for (const answer of this.#answers.splice(0, most)) {
      const { resolve, textLength } = this.#waiting[this.#first++]!
      this.#textLength -= textLength
      resolve(answer)
    }
    this.#telling = this.#answers.length === 0 ? undefined : setImmediate(() => this.#tell(TOLD_AT_ONCE))
    if (this.#first === this.#waiting.length) {
      this.#waiting.length = 0
      this.#first = 0
    } else if (this.#first > MOST_WAITING) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
  }
}

/** Runs commands in this thread, which then waits for the disk: for tools and tests. */
export class InlineExecutor implements Executor {
  readonly #runner: CommandRunner
  readonly #background: Background
  readonly #waiting: WaitingCommands
  #queue: Command[] = []
  #scheduled: NodeJS.Immediate | undefined
  #isClosed = false

  constructor({ writer, runner, onCommitted }: { writer: Writer; runner: CommandRunner; onCommitted: OnCommitted }) {
    this.#runner = runner
    this.#background = new Background(writer, runner)
    this.#waiting = new WaitingCommands(onCommitted)
  }

  execute(command: Command): Promise<Answer> {
    if (this.#isClosed) throw new StoreError('SHUTTING_DOWN', 'the store is closed')
    const answer = this.#waiting.add(command)
    this.#queue.push(command)
    this.#scheduled ??= setImmediate(() => this.#work())
    return answer
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#background.stop()
    clearImmediate(this.#scheduled)
    this.#work()
    this.#waiting.flush()
  }

  #work(): void {
    this.#scheduled = undefined
    const queue = this.#queue
    this.#queue = []
    let at = 0
    if (queue.length > 0) this.#waiting.settle(this.#runner.run(() => queue[at++]))
    this.#background.poke()
  }
}

function lengthOf(command: Command): number {
  if (command.type !== 'write') return 0
  const textOf = (operation: WriteOperation) =>
    'data' in operation ? operation.data : 'patch' in operation ? operation.patch : ''
  return command.operations.reduce((sum, operation) => sum + textOf(operation).length, 0)
}
