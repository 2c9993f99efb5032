/** Without schemas: processes that validate nothing throw errors too. */
import type { ErrorBody } from './error-body.ts'
import { ERRORS, type ErrorCode } from './error-table.ts'
import type { Problem } from './problem.ts'

export type ErrorDetails = Pick<ErrorBody, 'hint' | 'problems' | 'logs'> & { cause?: unknown }

/** The one error class of agent, client and CLI. Foreign errors are translated in the leaf that meets them. */
export class RyoFaasError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly problems: Problem[] | undefined
  readonly logs: string[] | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'RyoFaasError'
    this.code = code
    this.hint = details.hint
    this.problems = details.problems
    this.logs = details.logs
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  /** Process exit code: 1 for the user's mistake, 70 (EX_SOFTWARE of sysexits.h) for ours. */
  get exitCode(): 1 | 70 {
    return ERRORS[this.code].fault === 'user' ? 1 : 70
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint !== undefined && { hint: this.hint }),
      ...(this.problems !== undefined && { problems: this.problems }),
      ...(this.logs !== undefined && { logs: this.logs }),
    }
  }

  static fromBody(body: ErrorBody): RyoFaasError {
    return new RyoFaasError(body.code, body.message, body)
  }

  /** Wraps anything thrown; our own errors pass unchanged. */
  static from(thrown: unknown, code: ErrorCode = 'INTERNAL'): RyoFaasError {
    if (thrown instanceof RyoFaasError) return thrown
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return new RyoFaasError(code, message, { cause: thrown })
  }
}
