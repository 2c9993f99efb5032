/**
 * Every command runs through here: what was cancelled ends silently, an error is one line with what to do about it, and
 * the log has everything.
 */
import { RyoFaasError, formatProblem } from 'ryo-faas/contract'
import type { Button, Ui } from '../editor/ui.ts'

export type Handler = (...args: unknown[]) => unknown

export interface CommandOptions {
  ui: Ui
  /** Buttons that help with this error. */
  remedies(error: RyoFaasError): Button[]
}

export function runnable(id: string, handler: Handler, { ui, remedies }: CommandOptions): Handler {
  return async (...args) => {
    const begin = performance.now()
    ui.log.debug(id)
    try {
      const result = await handler(...args)
      ui.log.debug(`${id}: done in ${Math.round(performance.now() - begin)} ms`)
      return result
    } catch (thrown) {
      const error = RyoFaasError.from(thrown)
      if (isCancelled(thrown, error)) return void ui.log.info(`${id}: cancelled`)
      report(id, error, { ui, remedies })
      return undefined
    }
  }
}

function isCancelled(thrown: unknown, error: RyoFaasError): boolean {
  return error.code === 'CANCELLED' || (thrown instanceof Error && /^(?:Canceled|AbortError)$/.test(thrown.name))
}

function report(id: string, error: RyoFaasError, { ui, remedies }: CommandOptions): void {
  const lines = [`${id}: ${error.message} [${error.code}]`]
  for (const problem of error.problems ?? []) lines.push(`  ${formatProblem(problem)}`)
  for (const line of error.logs ?? []) lines.push(`  | ${line}`)
  if (error.hint) lines.push(`  ${error.hint}`)
  if (error.code === 'INTERNAL') lines.push(String((error.cause as Error | undefined)?.stack ?? error.stack))
  ui.log.error(lines.join('\n'))
  const [problem, ...others] = error.problems ?? []
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  // If a function did not start, only the message says which one.
  const what = problem && error.code !== 'START_FAILED' ? `${problem.message}${more}` : oneLine(error.message)
  const hint = problem || isForShell(error.hint) ? undefined : error.hint
  ui.fail(hint === undefined ? what : `${what}. ${hint}`, ...remedies(error))
}

/** Advice for the command line goes to the log; a toast has buttons. */
function isForShell(hint: string | undefined): boolean {
  return hint !== undefined && /\bryo-faas [a-z]|--[a-z]/.test(hint)
}

function oneLine(text: string): string {
  const [first = ''] = text.split('\n')
  return first.length > 200 ? `${first.slice(0, 200)}…` : first
}
