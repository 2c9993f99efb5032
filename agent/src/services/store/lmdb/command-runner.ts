/**
 * Runs commands that wait together in one transaction, so that they share its fsync.
 *
 * Invariants: 1. When `run` returns, everything that was not answered with `failed` is on disk. 2. A command that fails
 * the transaction does not fail the others: each is then run in its own transaction.
 */
import { StoreError } from '@ryo-faas/runtime/documents'
import type { Answer, Command, Committed, Results } from './commands.ts'
import { translateFault } from './storage-fault.ts'
import { trimLog } from './trim-log.ts'
import type { Writer } from './writer.ts'
import { writeState } from './table-records.ts'

export class CommandRunner {
  readonly #writer: Writer

  constructor(writer: Writer) {
    this.#writer = writer
  }

  /** @param next hands out commands until there are no more to share this transaction. */
  run(next: () => Command | undefined): Committed {
    const commands: Command[] = []
    try {
      const answers = this.transaction(() => {
        const answered: Answer[] = []
        for (let command = next(); command !== undefined; command = next()) {
          commands.push(command)
          answered.push(this.#execute(command))
        }
        return answered
      })
      return { answers, sequence: this.#writer.sequence }
    } catch (error) {
      const answers =
        commands.length === 1
          ? [failed(translateFault(error, this.#writer.environment.path))]
          : commands.map(command => this.#runAlone(command))
      return { answers, sequence: this.#writer.sequence }
    }
  }

  /** @throws StoreError; then nothing of it has happened. */
  transaction<T>(action: () => T): T {
    try {
      return this.#writer.environment.root.transactionSync(() => {
        const result = action()
        this.#writer.save()
        return result
      })
    } catch (error) {
      this.#writer.reload()
      throw error
    }
  }

  #runAlone(command: Command): Answer {
    try {
      return this.transaction(() => this.#execute(command))
    } catch (error) {
      return failed(translateFault(error, this.#writer.environment.path))
    }
  }

  #execute(command: Command): Answer {
    try {
      return { type: 'done', result: this.#perform(command) }
    } catch (error) {
      // A refusal, made before anything was put down.
      if (error instanceof StoreError) return failed(error)
      throw error
    }
  }

  #perform(command: Command): Results[Command['type']] {
    switch (command.type) {
      case 'write':
        return this.#writer.write(command.operations, command.context)
      case 'declare-index':
        return this.#writer.declareIndex(command.table, command.field)
      case 'drop-index':
        return this.#writer.dropIndex(command.table, command.field)
      case 'drop-table':
        return this.#writer.dropTable(command.table)
      case 'trim':
        return trimLog(this.#writer, command)
      case 'save-state':
        return writeState(this.#writer.environment, command.name, command.value)
    }
  }
}

function failed({ code, message, details }: StoreError): Answer {
  return { type: 'failed', code, message, details }
}
