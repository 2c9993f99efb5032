/** Logs and errors of a function under test: kept, and printed unless it is quiet. */
import type { FunctionLog } from '../context.ts'
import { consoleOutlet, type Outlet } from '../serve/instance.ts'

export interface RecordedLog {
  readonly level: keyof FunctionLog
  readonly message: string
  readonly requestId: string
}

/** What a handler threw, or rejected with. */
export interface RecordedError {
  readonly error: unknown
  readonly requestId: string
}

export class TestOutlet implements Outlet {
  readonly logs: RecordedLog[] = []
  readonly errors: RecordedError[] = []
  readonly #isQuiet: boolean

  constructor(isQuiet: boolean) {
    this.#isQuiet = isQuiet
  }

  log(level: keyof FunctionLog, ids: string, message: string): void {
    this.logs.push({ level, message, requestId: ids.split(' ', 1)[0]! })
    if (!this.#isQuiet) consoleOutlet.log(level, ids, message)
  }

  error(message: string, error: unknown, requestId: string): void {
    this.errors.push({ error, requestId })
    if (!this.#isQuiet) consoleOutlet.error(message, error, requestId)
  }
}
