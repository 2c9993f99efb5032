import { RyoFaasError } from '../../contract/index.ts'

/** With `--json` the outcome was printed already: the error only sets the exit code. */
export class Reported extends RyoFaasError {
  readonly silent: boolean

  constructor(error: RyoFaasError, silent: boolean) {
    super(error.code, error.message, error.toBody())
    this.silent = silent
  }
}
